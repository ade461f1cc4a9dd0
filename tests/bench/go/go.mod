module gcarena/bench

go 1.19
