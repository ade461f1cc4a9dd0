# SPDX-License-Identifier: GPL-2.0
#
# make            the module, the library, the tools and the tests, in build/
# make help       what else there is
#
# The module itself is described by Kbuild, which the kernel's build system
# prefers to this file, so make -C KDIR M=$PWD modules works as well.

VERSION := 0.1.0
SONAME  := libgcarena.so.0

# --- which kernel --------------------------------------------------------------
#
# KREL=RELEASE takes the installed headers of that release, KDIR=FOLDER any
# others. Else: the running kernel's, or the newest ones installed.

ifdef KDIR
  KREL ?= $(shell cat $(KDIR)/include/config/kernel.release)
else
  KREL ?= $(or $(patsubst /lib/modules/%/build,%,$(wildcard /lib/modules/$(shell uname -r)/build)),\
	       $(shell ls -d /lib/modules/*/build 2>/dev/null | cut -d/ -f4 | sort -V | tail -n 1))
  KDIR := /lib/modules/$(KREL)/build
endif
KREL := $(strip $(KREL))

# The kernel that check, demo and bench boot. It need not be the one above: a
# machine may well run a kernel that no archive has an image of.
VM_KREL = $(or $(if $(filter command line,$(origin KREL)),$(KREL)),$(shell tools/vm-run --print-release))
VM_RUN  = tools/vm-run --kernel $(VM_KREL) $(VM_FLAGS)
SUBMAKE = $(MAKE) --no-print-directory

# --- how -----------------------------------------------------------------------

B := build

CFLAGS   ?= -O2 -g
CXXFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra
override CFLAGS   += -std=gnu11 -fPIC
override CXXFLAGS += -fPIC
override CPPFLAGS += -Iuapi -Iuserlib

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
# Not below PREFIX: depmod and udev look nowhere else.
MODDIR     ?= /lib/modules/$(KREL)/updates
UDEVDIR    ?= /usr/lib/udev/rules.d
INSTALL    ?= install

# --- what: dropping a file into its folder is enough ----------------------------

objects = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))

LIB_OBJ    := $(call objects,$(wildcard userlib/*.c))
CTL_OBJ    := $(call objects,$(wildcard tools/gcarenactl*.c))
DEMO_SRC   := $(wildcard tools/demo/*.c)
CORE_SRC   := $(wildcard tests/core_*.c)
TEST_SRC   := $(filter-out $(CORE_SRC),$(wildcard tests/*.c))
TEST_OBJ   := $(call objects,$(wildcard tests/lib/*.c))
CXX_SRC    := $(wildcard tests/cxx/*.cc)
BENCH_SRC  := $(wildcard tests/bench/*.c)
BENCH_OBJ  := $(call objects,$(wildcard tests/bench/lib/*.c))

LIB_A      := $(B)/lib/libgcarena.a
LIB_SO     := $(B)/lib/libgcarena.so.$(VERSION)
LIBS_BUILT := $(if $(LIB_OBJ),$(LIB_A) $(LIB_SO)) \
	      $(if $(wildcard userlib/gcarena.pc.in),$(B)/lib/pkgconfig/gcarena.pc)
CTL        := $(if $(CTL_OBJ),$(B)/bin/gcarenactl)
DEMOS      := $(patsubst tools/demo/%.c,$(B)/demo/%,$(DEMO_SRC))
TESTS      := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC)) \
	      $(patsubst tests/cxx/%.cc,$(B)/tests/cxx/%,$(CXX_SRC))
BENCHES    := $(patsubst tests/bench/%.c,$(B)/bench/%,$(BENCH_SRC))
HARNESS    := build/linux-tools/kselftest_harness.h

.PHONY: all module lib tools tests benches demos
all: module lib tools tests demos

lib: $(LIBS_BUILT)
tools: $(CTL)
tests: $(TESTS)
demos: $(DEMOS)
benches: $(BENCHES)

# --- the module -----------------------------------------------------------------
#
# Each release builds in a folder of its own, of links to the sources, so that
# several kernels' objects can stand side by side. Links are made anew each
# time: that is quick, follows added and removed files, and rebuilds nothing.

FARM := $(B)/kmod-$(KREL)

# $(call farm,FOLDER): links in FOLDER to what Kbuild needs
define farm
	@mkdir -p $(1)/kmod $(1)/uapi/linux
	@find $(1)/Kbuild $(1)/kmod $(1)/uapi -type l -delete 2>/dev/null || :
	@ln -s $(CURDIR)/Kbuild $(1)/Kbuild
	@ln -s $(addprefix $(CURDIR)/,$(wildcard kmod/*.[chS])) $(1)/kmod/
	@ln -s $(addprefix $(CURDIR)/,$(wildcard uapi/linux/*.h)) $(1)/uapi/linux/
endef

module:
	@[ -e "$(KDIR)/Makefile" ] || { \
		echo "no kernel headers$(if $(KREL), for $(KREL)): run tools/setup build," \
		     "or name others with KDIR= or KREL=" >&2; exit 1; }
	$(call farm,$(FARM))
	+@$(SUBMAKE) -C $(KDIR) M=$(CURDIR)/$(FARM) modules

# --- the library ----------------------------------------------------------------

$(B)/obj/userlib/%.o: override CFLAGS += -fvisibility=hidden

$(LIB_A): $(LIB_OBJ)
	@mkdir -p $(@D)
	@echo "  AR      $@"
	@rm -f $@
	@$(AR) rcs $@ $^

$(LIB_SO): $(LIB_OBJ) $(wildcard userlib/libgcarena.map)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -shared $(LDFLAGS) -Wl,-soname,$(SONAME) -Wl,--no-undefined \
		$(addprefix -Wl$(comma)--version-script=,$(filter %.map,$^)) \
		-o $@ $(filter %.o,$^) -lpthread
	@ln -sf $(@F) $(@D)/$(SONAME)
	@ln -sf $(SONAME) $(@D)/libgcarena.so
comma := ,

# The file in build/ is the one that is installed, so it names PREFIX.
$(B)/lib/pkgconfig/gcarena.pc: userlib/gcarena.pc.in $(B)/prefix
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|g; s|@prefix@|$(PREFIX)|g' \
	     -e 's|@LIBDIR@|$(LIBDIR)|g; s|@libdir@|$(LIBDIR)|g' \
	     -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g; s|@includedir@|$(INCLUDEDIR)|g' \
	     -e 's|@VERSION@|$(VERSION)|g; s|@version@|$(VERSION)|g' $< >$@

.PHONY: FORCE
$(B)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(LIBDIR) $(INCLUDEDIR)' | cmp -s - $@ || \
		echo '$(PREFIX) $(LIBDIR) $(INCLUDEDIR)' >$@

# --- programs -------------------------------------------------------------------
#
# Each test, demo and benchmark is one source file, linked with the library's
# archive and the helpers in lib/ beside it. What else it needs it says itself,
# in a comment on a line of its own:
#
#	/* LIBS: -lgc */		or		// LIBS: -lgc

own_libs = $(shell sed -n 's|^/[/*] *LIBS: *\([^*]*\).*|\1|p' $(1))

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(WARNINGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.cc Makefile
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	@$(CXX) $(CPPFLAGS) $(WARNINGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# The kernel's test harness is not ours to warn about, hence -isystem. What its
# macros leave in our lines is: parameters that a TEST does not use, loops
# without a body, and EXPECT_EQ(1, an_unsigned).
$(B)/obj/tests/%.o: WARNINGS += -Wno-unused-parameter -Wno-sign-compare -Wno-empty-body
$(B)/obj/tests/%.o: override CPPFLAGS += -Itests -Itests/lib -isystem $(dir $(HARNESS))
$(B)/obj/tests/bench/%.o: override CPPFLAGS += -Itests/bench -Itests/bench/lib
$(B)/obj/tools/gcarenactl%: override CPPFLAGS += $(shell pkg-config --cflags libnl-genl-3.0 2>/dev/null)

$(call objects,$(TEST_SRC) $(CXX_SRC)) $(TEST_OBJ): | $(HARNESS)
$(HARNESS):
	@tools/setup linux-tools

# Archives: a program takes from them what it uses. Empty ones are fine.
$(B)/obj/tests/helpers.a: $(TEST_OBJ)
$(B)/obj/tests/bench/helpers.a: $(BENCH_OBJ)
$(B)/obj/%helpers.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

# $(call link,COMPILER): the first prerequisite is the program's own object
define link
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(1) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(own) -lpthread
endef

PROGRAM_LIB := $(if $(LIB_OBJ),$(LIB_A))

$(CTL): $(CTL_OBJ) $(PROGRAM_LIB)
	$(call link,$(CC))
$(CTL): own = $(shell pkg-config --libs libnl-genl-3.0 2>/dev/null)

$(B)/demo/%: $(B)/obj/tools/demo/%.o $(PROGRAM_LIB)
	$(call link,$(CC))
$(B)/demo/%: own = $(call own_libs,tools/demo/$*.c)

$(B)/tests/%: $(B)/obj/tests/%.o $(B)/obj/tests/helpers.a $(PROGRAM_LIB)
	$(call link,$(CC))
$(B)/tests/%: own = $(call own_libs,tests/$*.c)

# These use the shared library, so that it and its symbol map are tested, too.
$(B)/tests/cxx/%: $(B)/obj/tests/cxx/%.o $(if $(LIB_OBJ),$(LIB_SO))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CXX) $(LDFLAGS) -o $@ $< $(LIB_SO) -Wl,-rpath,'$$ORIGIN/../../lib' $(own)
$(B)/tests/cxx/%: own = $(call own_libs,tests/cxx/$*.cc)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/helpers.a $(PROGRAM_LIB)
	$(call link,$(CC))
$(B)/bench/%: own = $(call own_libs,tests/bench/$*.c)

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# --- running it, in a VM that is thrown away --------------------------------------
#
# Two steps, since what setup installs decides which kernel is built for.

.PHONY: setup check demo bench check-vm demo-vm bench-vm lint
setup:
	@tools/setup build vm check

# What needs no kernel runs here, under sanitizers; all else in the VM. TESTS_ONLY names some.
CORE_ONLY = $(filter core_%,$(TESTS_ONLY))
VM_ONLY   = $(filter-out core_%,$(TESTS_ONLY))

# Said at once, rather than by each VM: "no such program".
ifneq ($(and $(CORE_ONLY),$(filter check-zeal% check-kernels% check-debug% check-races%,$(MAKECMDGOALS))),)
  $(error TESTS_ONLY: $(CORE_ONLY): of core_*, which needs no kernel: make check, or make check-core)
endif

check: setup
	+@failed=0; \
	$(if $(CORE_ONLY)$(if $(TESTS_ONLY),,all),$(SUBMAKE) core-units || failed=1;) \
	$(if $(VM_ONLY)$(if $(TESTS_ONLY),,all),$(SUBMAKE) check-vm || failed=1;) \
	exit $$failed
demo: setup
	+@$(SUBMAKE) $@-vm
bench: setup
	@tools/setup bench
	+@$(SUBMAKE) $@-vm

# What is built goes to stderr, so that the results have stdout to themselves.
check-vm:
	+@$(SUBMAKE) all KREL=$(VM_KREL) >&2
	@$(VM_RUN) --timeout 1800 -- tests/run $(VM_ONLY)

# The tests with the verifier and all zeal modes on; see tests/README.md. zeal_compact leaves
# explicit roots alone: who has no others would do the same twice. verify sets its own modes,
# evacuate says when objects move, and fault_nth needs another kernel.
EXPLICIT_ROOTS := abi_alloc abi_matrix abi_fields abi_commands abi_torn collect_kinds dirty_io \
		  lib_graphs memory_limit minor mmap_abuse netlink_events parallel permanent \
		  quiet tool tool_views trace
ZEAL    = $(or $(TESTS_ONLY),$(notdir $(TESTS)))
COMPACT = $(filter-out $(EXPLICIT_ROOTS) verify evacuate fault_nth,$(ZEAL))

check-zeal: setup
	+@$(SUBMAKE) check-zeal-vm
check-zeal-vm:
	+@$(SUBMAKE) all KREL=$(VM_KREL) >&2
	@$(VM_RUN) --timeout 5400 -- tests/run -t 600 $(addprefix zeal:,$(ZEAL)) \
		$(addprefix zeal-compact:,$(COMPACT))
.PHONY: check-zeal check-zeal-vm

demo-vm:
	+@$(SUBMAKE) module lib demos KREL=$(VM_KREL) >&2
	@$(VM_RUN) -- build/demo/pkggraph

# What takes too long for every change, and many threads on one, two and four processors:
# see tests/README.md. SOAK_SECONDS is of each storm.
SOAK         ?= concurrent minor quiet parallel dirty_io evacuate world_storm zeal:world_storm
SOAK_CPUS    ?= 1 2 4
SOAK_SECONDS ?= 60
SOAK_ROUNDS  ?= 1000

soak: setup
	+@$(SUBMAKE) soak-vm
soak-vm:
	+@$(SUBMAKE) all KREL=$(VM_KREL) >&2
	@failed=0; \
	$(VM_RUN) --timeout 3600 -- env GCARENA_ROUNDS=$(SOAK_ROUNDS) \
		tests/run -t 3600 module_unload || failed=1; \
	for cpus in $(SOAK_CPUS); do \
		echo "soak: $$cpus processors"; \
		$(VM_RUN) --cpus $$cpus --timeout 3600 -- env GCARENA_THREADS=64 \
			GCARENA_SECONDS=$(SOAK_SECONDS) tests/run -t 1200 $(SOAK) || failed=1; \
	done; exit $$failed
.PHONY: soak soak-vm

bench-vm:
	+@$(SUBMAKE) module lib benches KREL=$(VM_KREL) >&2
	@$(VM_RUN) --timeout 3600 -- tests/bench/run

# --- latency benchmarks, and the contender written in Go ----------------------------
#
# Pauses, write barriers and a key-value store, up to 1 GiB live: an hour at most.
# LATENCY_FLAGS="--quick" or "--only kv" for a part of it.

LATENCY_VM := --memory 7168 --append "tsc=reliable clearcpuid=297,580"

.PHONY: bench-latency
benches: $(if $(shell command -v go),$(B)/bench/go)
$(B)/bench/go: $(wildcard tests/bench/go/*)
	@mkdir -p $(@D)
	@echo "  GO      $@"
	@cd tests/bench/go && CGO_ENABLED=0 GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off \
		go build -trimpath -o $(CURDIR)/$@ .

bench-latency:
	@tools/setup build vm bench
	+@$(SUBMAKE) module lib benches KREL=$(VM_KREL) >&2
	@$(VM_RUN) $(LATENCY_VM) --timeout 5400 -- tests/bench/run --latency $(LATENCY_FLAGS)
	@tests/bench/plot

# A million objects, nine in ten of which die: what is held afterwards, by everybody.
bench-compact:
	@tools/setup build vm bench
	+@$(SUBMAKE) module lib benches KREL=$(VM_KREL) >&2
	@$(VM_RUN) --memory 4096 --timeout 3600 -- tests/bench/run --only compact/ \
		--objects 1000000 --runs 1 --minutes 30 $(COMPACT_FLAGS)
.PHONY: bench-compact

# --- gcarenactl top on the whole screen -----------------------------------------------
#
# With ncurses. Where pkg-config does not find it top writes tables alone, and says so.

NCURSES := $(shell pkg-config --exists ncursesw 2>/dev/null && echo ncursesw)

ifneq ($(NCURSES),)
$(B)/obj/tools/gcarenactl_screen.o: override CPPFLAGS += -DHAVE_NCURSES $(shell pkg-config --cflags ncursesw)
$(CTL): own += $(shell pkg-config --libs ncursesw)
else
$(CTL): without-ncurses
without-ncurses:
	@echo 'gcarenactl: pkg-config finds no ncursesw: top is built without its screen (tools/setup build installs it)' >&2
.PHONY: without-ncurses
endif

# --- what it costs to be looked at ------------------------------------------------------
#
# SEE="refill monitor top" takes some of it. One module has no tracepoints, to compare with.

bench-see:
	@tools/setup build vm check
	+@$(SUBMAKE) module lib tools $(B)/bench/gcarena KREL=$(VM_KREL) >&2
	+@$(SUBMAKE) module KREL=$(VM_KREL) FARM=$(B)/kmod-notrace-$(VM_KREL) GCARENA_NOTRACE=y >&2
	@$(VM_RUN) --timeout 1800 -- tests/bench/see $(SEE)
.PHONY: bench-see

# --- and under other kernels --------------------------------------------------------
#
# The programs are built once; tools/check-kernels builds a module for each kernel.

KERNELS := 6.1 6.1-cloud 6.12 newest

check-kernels: setup
	+@$(SUBMAKE) lib tools tests >&2
	@TESTS_ONLY="$(TESTS_ONLY)" VM_FLAGS="$(VM_FLAGS)" tools/check-kernels $(KERNELS)
.PHONY: check-kernels

# --- fuzzing the ABI -----------------------------------------------------------------
#
# FUZZ_SECONDS, FUZZ_SEED (default: a new one), FUZZ_FLAGS for the fuzzer itself. Programs
# are kept in build/fuzz. fuzz-kcov is the same in the debug kernel, guided by coverage.

FUZZ_SECONDS ?= 60
FUZZ_DIR     := $(B)/fuzz

$(B)/tests/abi_fuzz: $(call objects,$(wildcard tests/fuzz/*.c))

fuzz: setup
	+@$(SUBMAKE) fuzz-vm
fuzz-vm:
	+@$(SUBMAKE) module $(B)/tests/abi_fuzz \
		$(if $(filter command line,$(origin KDIR)),,KREL=$(VM_KREL)) >&2
	@mkdir -p $(FUZZ_DIR)
	@$(VM_RUN) --timeout $$(($(FUZZ_SECONDS) + 600)) -- $(B)/tests/abi_fuzz \
		--seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) \
		--dir $(FUZZ_DIR) $(FUZZ_FLAGS)
fuzz-kcov: setup
	@tools/debug-kernel >/dev/null
	+@$(SUBMAKE) fuzz-vm KDIR=$(DEBUG_DIR) VM_KREL=$(DEBUG_DIR)/vmlinuz KCOV_INSTRUMENT=y \
		FUZZ_FLAGS="--patience 200 $(FUZZ_FLAGS)" VM_FLAGS="--memory 3072 --append '$(debug_fast)' \
		--module $(B)/kmod-`cat $(DEBUG_DIR)/include/config/kernel.release`/gcarena.ko $(VM_FLAGS)"
.PHONY: fuzz fuzz-vm fuzz-kcov

lint:
	@tools/lint

# --- the collector core in user space ---------------------------------------------
#
# On this machine, without VM and module, with sanitizers: see tests/README.md. The unit
# tests are those of tests/core_*.c.

CORE_DEPS  := $(wildcard tests/core/*.h kmod/*.[ch])
CORE_UNITS := $(patsubst tests/%.c,$(B)/core/%,$(CORE_SRC))
CORE_FLAGS := -g -std=gnu11 $(WARNINGS) -Wno-sign-compare -Wno-unused-parameter -Wno-empty-body \
	      -fno-omit-frame-pointer -Itests -Itests/lib -isystem $(dir $(HARNESS))
CORE_CHECKED := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
CORE_FUZZ  := $(patsubst tests/core/fuzz_%.c,$(B)/fuzz/core_%,$(wildcard tests/core/fuzz_*.c))
CLANG      ?= clang

.PHONY: check-core check-core-races check-core-fuzz
.PHONY: core-programs core-units core-race fuzz-core coverage bench-core
check-core: core-units check-core-races check-core-fuzz
check-core-races: core-race core-parallel-race
check-core-fuzz: $(CORE_FUZZ)
	@FUZZ_RUNS=2000 FUZZ_SEED=1 tests/core/run-fuzz $(CORE_FUZZ)

core-programs: $(CORE_UNITS)

# The benchmark of the core has its own way to link these sources: it must not be forgotten.
core-units: $(CORE_UNITS) $(B)/bench/core_mark
	@tests/run $(if $(CORE_ONLY),$(addprefix $(B)/core/,$(CORE_ONLY)),$(CORE_UNITS))

$(B)/core/core_%: tests/core_%.c $(CORE_DEPS) Makefile | $(HARNESS)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CORE_FLAGS) $(CORE_CHECKED) -o $@ $<

# ThreadSanitizer wants its addresses where it put them: no randomization. The second
# run is wrong on purpose, to show that the first would have told.
RACE_SECONDS ?= 5
core-race: $(B)/core/race
	@TSAN_OPTIONS=exitcode=66 setarch -R $< $(RACE_SECONDS)
	@TSAN_OPTIONS=exitcode=66 setarch -R $< 1 unlocked >$<.log 2>&1; [ $$? = 66 ] || { \
		echo "race: publishing without a lock went unnoticed: see $<.log" >&2; exit 1; }

$(B)/core/race: tests/core/race.c $(CORE_DEPS) Makefile
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CORE_FLAGS) -O1 -fsanitize=thread -DCORE_TSAN -o $@ $< -lpthread

fuzz-core: $(CORE_FUZZ)
	@tests/core/run-fuzz $(CORE_FUZZ)

$(B)/fuzz/core_%: tests/core/fuzz_%.c tests/core/fuzz-ignore $(CORE_DEPS) Makefile
	@tools/setup core
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CLANG) $(CORE_FLAGS) $(CORE_CHECKED) -fsanitize=fuzzer \
		-fsanitize-coverage-ignorelist=tests/core/fuzz-ignore -o $@ $<

# BENCH_MIB=64,1024,4096 chooses other heap sizes; a longer list takes BENCH_MINUTES=N.
bench-core:
	@tools/setup bench
	+@$(SUBMAKE) $(B)/bench/core_mark $(B)/bench/core_libgc >&2
	@tests/bench/run --core --json $(B)/bench-core.json \
		$(if $(BENCH_MIB),--sizes $(BENCH_MIB)) $(if $(BENCH_MINUTES),--minutes $(BENCH_MINUTES))

# Would it pay to keep survivors young for one minor cycle more? SEED=N
bench-ageing: $(B)/bench/core_ageing
	@$< $(SEED)
$(B)/bench/core_ageing: tests/bench/core_ageing.c $(CORE_DEPS) Makefile
	@echo '  CC      $@'; mkdir -p $(@D)
	@$(CC) -O2 -g $(WARNINGS) -Wno-unused-parameter -Itests -o $@ $<
.PHONY: bench-ageing

# What is held after a compaction with pinned objects, and what meshing would add to that.
bench-mesh:
	+@$(SUBMAKE) $(B)/bench/core_mesh >&2
	@$(B)/bench/core_mesh $(MESH_FLAGS)
$(B)/obj/tests/bench/core_mesh.o: override CPPFLAGS += -Itests
.PHONY: bench-mesh

# Which of the core's lines the unit tests run.
COVERAGE := $(patsubst tests/%.c,$(B)/coverage/%,$(CORE_SRC))
coverage: $(COVERAGE)
	@rm -f $(B)/coverage/*.gcda
	@tests/run $(COVERAGE)
	@tests/core/coverage $(B)/coverage

$(B)/coverage/%: tests/%.c tests/core/coverage.c $(CORE_DEPS) Makefile | $(HARNESS)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CORE_FLAGS) -O0 --coverage -c -o $@.o $<
	@$(CC) -Wl,--wrap=_exit --coverage -o $@ $@.o tests/core/coverage.c

# --- parallel marking under ThreadSanitizer -------------------------------------------
#
# The unit tests of core_parallel.c once more, on this machine: marks that are not set
# atomically, and work that changes hands without a lock, show here.

.PHONY: core-parallel-race
core-parallel-race: $(B)/core-tsan/core_parallel
	@TSAN_OPTIONS=exitcode=66:halt_on_error=1 setarch -R tests/run $<

$(B)/core-tsan/%: tests/%.c $(CORE_DEPS) Makefile | $(HARNESS)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CORE_FLAGS) -O1 -fsanitize=thread -DCORE_TSAN -o $@ $< -lpthread

# --- the debug kernel: see tests/README.md -------------------------------------------
#
# Boots. fast: under everything that is quick. leaks: the same and kmemleak, which looks
# for what nobody points to, after the module has gone. Both together are the default,
# and take half an hour on a machine that has nothing else to do. long: as fast,
# programs that take minutes each. small: as if there were no huge pages, so that all
# chunks are made of single ones. thorough: with what is slow as well (objects, poison).
# DEBUG_PASSES chooses boots, all of them but the last: each program of the VM's is in one
# (tools/lint looks). TESTS_ONLY chooses programs; DEBUG_LIMIT is a program's, in seconds.
# DEBUG_FAULT_CASES are the cases of fault_nth under kmemleak, where all of them take too
# long; empty: all.

DEBUG_PASSES    ?= fast leaks
DEBUG_LIMIT     ?= 900
DEBUG_FAST      ?= tests/kunit/results events verify minor quiet concurrent parallel permanent \
		   dirty_io compact evacuate netlink netlink_events memory_limit collect_kinds \
		   mmap_collect abi_torn abi_matrix abi_fields abi_commands abi_fuzz lib_threads \
		   trace tool cxx/api world_eintr world_life world_roots world_storm fault_nth
DEBUG_LEAKS     ?= abi_alloc module_unload kill_collect fault_nth
DEBUG_LONG      ?= mmap_abuse lib_alloc lib_roots lib_graphs tool_views
DEBUG_SMALL     ?= abi_alloc mmap_abuse lib_graphs lib_oracle world_storm
DEBUG_THOROUGH  ?= abi_alloc module_unload fault_nth
DEBUG_FAULT_CASES ?= open create type refill alloc minor major compact evacuate roots_add \
		     slots_add pin permanent id nl_get nl_collect
DEBUG_DIR        = $(shell tools/debug-kernel --print 2>/dev/null)
DEBUG_FARM       = $(B)/kmod-debug
DEBUG_VM         = tools/vm-run --kernel $(DEBUG_DIR)/vmlinuz --module $(DEBUG_FARM)/gcarena.ko \
		   --memory 3072 --timeout 10800 --append "$(1)" $(VM_FLAGS) --
DEBUG_RUN        = env GCARENA_PATIENCE=10 tests/run -t $(DEBUG_LIMIT)
# In an emulated CPU that is this slow, ACPI's interpreter gives up on the routes of PCI
# interrupts, after half a minute each; what the VM has uses MSI. Two nodes: pages can move.
debug_all       := pci=noacpi numa=fake=2
debug_leaks     := $(debug_all) slub_debug=- no_debug_objects debug_pagealloc=off page_poison=off
debug_fast      := $(debug_leaks) kmemleak=off
debug_thorough  := $(debug_all) page_poison=on
# Every allocation of order 9 fails, once the kernel is up and min-order is 9.
debug_small     := cd /sys/kernel/debug/fail_page_alloc && echo 9 >min-order && \
		   echo N >ignore-gfp-wait && echo 0 >verbose && echo -1 >times && \
		   echo 100 >probability && cd - >/dev/null && exec "$$@"

check-debug: setup
	@tools/debug-kernel >/dev/null
	+@$(SUBMAKE) check-debug-build
	@failed=0; for pass in $(patsubst all,fast leaks long small,$(DEBUG_PASSES)); do \
		echo "check-debug: $$pass"; \
		$(SUBMAKE) check-debug-$$pass || failed=1; \
	done; exit $$failed
check-debug-build:
	+@$(SUBMAKE) lib tools tests KDIR=$(DEBUG_DIR) >&2
	$(call farm,$(DEBUG_FARM))
	@mkdir -p $(DEBUG_FARM)/tests/kunit
	@ln -sf $(CURDIR)/tests/kunit/gcarena_kunit.c $(DEBUG_FARM)/tests/kunit/
	+@$(SUBMAKE) -C $(DEBUG_DIR) M=$(CURDIR)/$(DEBUG_FARM) GCARENA_KUNIT=y \
		KCFLAGS=-Wframe-larger-than=2048 modules >&2
check-debug-fast:
	@$(call DEBUG_VM,$(debug_fast)) $(DEBUG_RUN) \
		$(or $(TESTS_ONLY),$(DEBUG_FAST))
check-debug-leaks:
	@$(call DEBUG_VM,$(debug_leaks)) env GCARENA_FAULT_CASES='$(strip $(DEBUG_FAULT_CASES))' \
		$(DEBUG_RUN) $(or $(TESTS_ONLY),$(DEBUG_LEAKS))
check-debug-long:
	@$(call DEBUG_VM,$(debug_fast)) $(DEBUG_RUN) \
		$(or $(TESTS_ONLY),$(DEBUG_LONG))
check-debug-small:
	@$(call DEBUG_VM,$(debug_fast)) sh -c '$(debug_small)' - \
		$(DEBUG_RUN) $(or $(TESTS_ONLY),$(DEBUG_SMALL))
check-debug-thorough:
	@$(call DEBUG_VM,$(debug_thorough)) $(DEBUG_RUN) $(or $(TESTS_ONLY),$(DEBUG_THOROUGH))
# For tools/lint: what runs in one of the boots of DEBUG_PASSES=all.
debug-programs:
	@echo $(DEBUG_FAST) $(DEBUG_LEAKS) $(DEBUG_LONG) $(DEBUG_SMALL)
.PHONY: $(addprefix check-debug-,build fast leaks long small thorough)
.PHONY: check-debug debug-programs

# --- data races: a kernel with KCSAN, see tests/README.md -----------------------------
#
# TESTS_ONLY chooses programs, DEBUG_LIMIT is a program's limit, in seconds (3600).

RACES_DIR  = $(shell tools/debug-kernel --kcsan --print 2>/dev/null)
RACES_FARM = $(B)/kmod-races
# An emulated CPU is slow: half a millisecond for the other side of a race to show up.
races_boot := pci=noacpi kcsan.skip_watch=2000 kcsan.udelay_task=500
RACES     ?= concurrent parallel compact evacuate netlink lib_threads world_storm mmap_collect \
	     events abi_fuzz

check-races: setup
	@tools/debug-kernel --kcsan >/dev/null
	+@$(SUBMAKE) check-races-vm
check-races-vm: DEBUG_LIMIT = 3600
check-races-vm:
	+@$(SUBMAKE) lib tools tests KDIR=$(RACES_DIR) >&2
	$(call farm,$(RACES_FARM))
	+@$(SUBMAKE) -C $(RACES_DIR) M=$(CURDIR)/$(RACES_FARM) modules >&2
	@tools/vm-run --kernel $(RACES_DIR)/vmlinuz --module $(RACES_FARM)/gcarena.ko \
		--memory 2048 --timeout 7200 --append "$(races_boot)" $(VM_FLAGS) -- \
		$(DEBUG_RUN) $(or $(TESTS_ONLY),$(RACES))
.PHONY: check-races check-races-vm

# --- bugs put in, to see that the tests find them: see tests/README.md ----------------
#
# About an hour, most of it the debug kernel's. SEEDED="NAME ..." takes some of them,
# SEEDED=--quick what takes two minutes.

check-seeded: setup
	@tools/setup core
	@tests/seeded/run $(SEEDED)
.PHONY: check-seeded

# --- the model of concurrent marking: see tests/model/README.md -----------------------
#
# On this machine, a few minutes. MODEL="NAME ..." takes some of its cases.

model:
	@tools/setup model
	@tests/model/run $(MODEL)
.PHONY: model

# --- installing -------------------------------------------------------------------

.PHONY: install uninstall install-module install-user
install: install-user install-module

install-user: lib tools
	$(INSTALL) -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCLUDEDIR)/linux $(UDEVDIR))
	$(INSTALL) -m 644 userlib/gcarena.h $(DESTDIR)$(INCLUDEDIR)/
	$(INSTALL) -m 644 uapi/linux/gcarena.h uapi/linux/gcarena_netlink.h $(DESTDIR)$(INCLUDEDIR)/linux/
	$(INSTALL) -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/
	$(INSTALL) -m 755 $(LIB_SO) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(LIB_SO)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libgcarena.so
	$(if $(wildcard userlib/gcarena.pc.in),$(INSTALL) -m 644 $(B)/lib/pkgconfig/gcarena.pc $(DESTDIR)$(LIBDIR)/pkgconfig/)
	$(if $(CTL),$(INSTALL) -m 755 $(CTL) $(DESTDIR)$(BINDIR)/)
	$(INSTALL) -m 644 tools/60-gcarena.rules $(DESTDIR)$(UDEVDIR)/
	@for page in $(MAN_PAGES); do \
		to=$(DESTDIR)$(MANDIR)/man$${page##*.}; \
		$(INSTALL) -d $$to && $(INSTALL) -m 644 $$page $$to/ || exit 1; \
	done
	$(if $(COMPLETION),$(INSTALL) -d $(DESTDIR)$(COMPDIR) && $(INSTALL) -m 644 $(COMPLETION) $(DESTDIR)$(COMPDIR)/)
	@[ -n "$(DESTDIR)" ] || ldconfig || :
	@[ -n "$(DESTDIR)" ] || ! command -v udevadm >/dev/null || udevadm control --reload 2>/dev/null || :

MAN_PAGES  := $(wildcard userlib/man/*.[347] tools/man/*.[18])
COMPLETION := $(wildcard tools/completion/gcarenactl)

install-module: module
	$(INSTALL) -d $(DESTDIR)$(MODDIR)
	$(INSTALL) -m 644 $(FARM)/gcarena.ko $(DESTDIR)$(MODDIR)/
	@[ -n "$(DESTDIR)" ] || depmod $(KREL)

uninstall:
	rm -f $(DESTDIR)$(MODDIR)/gcarena.ko $(DESTDIR)$(BINDIR)/gcarenactl \
		$(DESTDIR)$(INCLUDEDIR)/gcarena.h \
		$(addprefix $(DESTDIR)$(INCLUDEDIR)/linux/,gcarena.h gcarena_netlink.h) \
		$(addprefix $(DESTDIR)$(LIBDIR)/,libgcarena.a libgcarena.so $(SONAME) $(notdir $(LIB_SO)) pkgconfig/gcarena.pc) \
		$(DESTDIR)$(UDEVDIR)/60-gcarena.rules $(DESTDIR)$(COMPDIR)/gcarenactl \
		$(foreach p,$(notdir $(MAN_PAGES)),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(p)))/$(p))
	@[ -n "$(DESTDIR)" ] || depmod $(KREL) || :

# --- and away ---------------------------------------------------------------------

.PHONY: clean help
# build/linux-tools is the kernel's, and slow to unpack again; distclean takes it.
clean:
	@[ ! -d $(B) ] || find $(B) -mindepth 1 -maxdepth 1 ! -name linux-tools -exec rm -rf {} +
	@rm -rf *.o *.ko *.mod *.mod.c .*.cmd *.order *.symvers .tmp_versions \
		.*.o.d kmod/*.o kmod/.*.cmd kmod/*.mod kmod/.*.o.d
distclean: clean
	@rm -rf $(B)
.PHONY: distclean

help:
	@echo 'make [all]        module, library, tools, tests and demos, in build/'
	@echo 'make module       the module, for KREL=$(KREL)'
	@echo 'make lib tools tests demos benches'
	@echo '                  one part'
	@echo 'make check        build, boot a VM, run all tests (TESTS_ONLY="name ...")'
	@echo 'make check-zeal   the tests with the verifier and all zeal modes on'
	@echo 'make check-core   the collector core on this machine, under sanitizers'
	@echo 'make check-kernels'
	@echo '                  make check with other kernels (KERNELS="$(KERNELS)")'
	@echo 'make core-parallel-race'
	@echo '                  parallel marking under ThreadSanitizer'
	@echo 'make fuzz-core    the same, random programs for FUZZ_SECONDS=60 (FUZZ_SEED=...)'
	@echo 'make coverage     which lines of the core the unit tests run'
	@echo 'make bench-core   marking and sweeping on this machine, beside libgc'
	@echo 'make bench-ageing would ageing of survivors pay? A simulation on the core (SEED=N)'
	@echo 'make bench-mesh   what pinned objects cost after compaction, on this machine'
	@echo 'make demo         build, boot a VM, run the demo'
	@echo 'make bench        build, boot a VM, run the benchmarks'
	@echo 'make bench-latency'
	@echo '                  pauses, write barriers, a key-value store: also beside Go'
	@echo 'make bench-see    cost of tracepoints, of events, of gcarenactl top (SEE="refill ...")'
	@echo 'make soak         many threads on 1, 2 and 4 processors, unloading: an hour in VMs'
	@echo 'make fuzz         random programs against the ABI (FUZZ_SECONDS=60, FUZZ_SEED=)'
	@echo 'make fuzz-kcov    the same in the debug kernel, guided by coverage'
	@echo 'make check-debug  tests in a kernel with KASAN and lockdep, built once (DEBUG_PASSES=...)'
	@echo 'make check-races  tests in a kernel that finds data races (KCSAN), built once'
	@echo 'make check-seeded put bugs into copies of the module: do the tests find each?'
	@echo '                  (SEEDED="name ...", SEEDED=--quick)'
	@echo 'make model        check the model of concurrent marking (MODEL="name ...")'
	@echo 'make lint         warnings, sparse, checkpatch, kernel-doc, shellcheck'
	@echo 'make install      into PREFIX=$(PREFIX), the module into $(MODDIR)'
	@echo 'make uninstall clean distclean'
	@echo
	@echo 'KREL=RELEASE or KDIR=FOLDER chooses the kernel headers, CC, CFLAGS,'
	@echo 'DESTDIR, PREFIX and the like are honoured, VM_FLAGS goes to tools/vm-run.'
