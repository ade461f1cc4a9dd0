// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Errors: an errno says what, the operation that failed says of what, and both
 * together say what to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"

struct sentence {
	enum gca_operation op;		/* GCA_OP_NONE: any */
	int error;
	const char *text;
};

static __thread enum gca_operation last_op;
static __thread int last_error;

/* The first row that fits is taken: rows for one operation come first. */
static const struct sentence sentences[] = {
	{ GCA_OP_OPEN, ENOENT,
	  "there is no /dev/gcarena: load the module with 'modprobe gcarena'"
	},
	{ GCA_OP_OPEN, ENXIO,
	  "/dev/gcarena has no driver: load the module with 'modprobe gcarena'"
	},
	{ GCA_OP_OPEN, ENODEV,
	  "/dev/gcarena has no driver: load the module with 'modprobe gcarena'"
	},
	{ GCA_OP_OPEN, EACCES,
	  "no permission to open /dev/gcarena: ask the administrator to install the udev rule, or to set the device's mode"
	},
	{ GCA_OP_OPEN, EPERM,
	  "no permission to open /dev/gcarena: ask the administrator to install the udev rule, or to set the device's mode"
	},
	{ GCA_OP_OPEN, ENOTTY,
	  "/dev/gcarena is not the gcarena device, or the module is older than this library: update both"
	},
	{ GCA_OP_OPEN, EPROTO,
	  "the module's interface is newer than this library understands: update the library"
	},
	{ GCA_OP_OPEN, EMFILE,
	  "too many open files: close some, or raise the limit (ulimit -n)"
	},
	{ GCA_OP_CREATE, EPERM,
	  "the limit is above what the administrator allows (module parameter max_limit_mib): ask for less"
	},
	{ GCA_OP_CREATE, EINVAL,
	  "an option is out of range: reserve and limit are multiples of 2 MiB, limit is at most reserve, gc_percent is -1 or 1 to 1000000"
	},
	{ GCA_OP_CREATE, EOPNOTSUPP,
	  "the module does not know this root mode: update it, or take GCA_ROOTS_AUTO"
	},
	{ GCA_OP_MAP, ENOMEM,
	  "no room in the address space for the arena: ask for a smaller reserve, or raise the limit (ulimit -v)"
	},
	{ GCA_OP_MAP, EADDRINUSE,
	  "something else is mapped where the arena lies in other processes: map the arena earlier"
	},
	{ GCA_OP_MAP, EOPNOTSUPP,
	  "32-bit programs cannot use an arena: build the program for 64 bits"
	},
	{ GCA_OP_TYPE, EINVAL,
	  "not a valid layout: size 1 byte to 1 MiB; pointer members lie at multiples of 8 inside the type"
	},
	{ GCA_OP_TYPE, ENOSPC,
	  "too many types: an arena takes 4096; register each type once"
	},
	{ GCA_OP_ALLOC, ENOSPC,
	  "the arena is full, also after a collection: drop references, or raise the limit"
	},
	{ GCA_OP_ALLOC, ETIMEDOUT,
	  "the arena is full and could not be collected, because a thread did not stop in time: raise the limit, or see what that thread does"
	},
	{ GCA_OP_ALLOC, EOVERFLOW,
	  "the number of elements times their size is too large: ask for fewer elements"
	},
	{ GCA_OP_ALLOC, EFAULT,
	  "the arena is full and could not be collected, because an added root range cannot be read: remove ranges before their memory goes"
	},
	{ GCA_OP_FREE, EINVAL,
	  "not the first byte of an object of an open arena: pass what the allocation returned"
	},
	{ GCA_OP_FREE, ENOENT,
	  "no object is there: it was freed before, or collected"
	},
	{ GCA_OP_FREE, EPERM, "the object was made permanent: it stays as long as the arena" },
	{ GCA_OP_COLLECT, ETIMEDOUT,
	  "a thread did not stop in time, so nothing was freed: try again, or see what keeps it in the kernel (gca_next_event() tells which)"
	},
	{ GCA_OP_COLLECT, EIO,
	  "the verifier has found an error in the collector, and nothing was freed: report what the kernel log says"
	},
	{ GCA_OP_COLLECT, EFAULT,
	  "an added root range cannot be read, or a precise slot cannot be written: remove ranges before their memory goes"
	},
	{ GCA_OP_COLLECT, EOPNOTSUPP,
	  "the module does not know this kind of collection: update it, or take GCA_FULL"
	},
	{ GCA_OP_ROOTS, ENOENT,
	  "no such root range was added: remove exactly what was added"
	},
	{ GCA_OP_ROOTS, ENOSPC,
	  "too many root ranges: a process takes 65536; add larger ones"
	},
	{ GCA_OP_ROOTS, EINVAL,
	  "the root range is empty or outside the program's address space, or slots are in the arena or not from gca_root_slot()"
	},
	{ GCA_OP_PIN, EINVAL, "the address is in no open arena" },
	{ GCA_OP_PIN, ENOENT,
	  "no object is there, or this process has not pinned it: pin what is alive, unpin as often as it was pinned"
	},
	{ GCA_OP_PIN, ENOSPC,
	  "too many pinned objects: a process takes 65536; unpin those that need not stay"
	},
	{ GCA_OP_NAME, EINVAL,
	  "not a name: take UTF-8 text without control characters"
	},
	{ GCA_OP_SET, EPERM,
	  "the limit is above what the administrator allows (module parameter max_limit_mib): ask for less"
	},
	{ GCA_OP_SET, EINVAL,
	  "the value is out of range: a percentage is -1 or 1 to 1000000, a limit a multiple of 2 MiB and at most the reserve"
	},
	{ GCA_OP_EVENT, EAGAIN, "nothing has happened in the time given" },
	{ GCA_OP_EVENT, EINTR, "a signal came before an event did: call again" },
	{ GCA_OP_EVENT, EINVAL, "the module does not report events: update it" },
	{ GCA_OP_QUERY, EINVAL, "the address is in no open arena" },
	{ GCA_OP_QUERY, ENOENT, "no object is there: it was freed or collected, or never was" },
	{ GCA_OP_NONE, ENOMEM,
	  "the system has no memory left, or the memory cgroup's limit is reached: free some, or raise the limit"
	},
	{ GCA_OP_NONE, ENXIO,
	  "this process has not mapped the arena: open it with gca_open() here"
	},
	{ GCA_OP_NONE, EINTR, "the process is being killed" },
	{ GCA_OP_NONE, EBADF, "the arena's descriptor was closed: only gca_close() may do that" },
};

int gca_fail(enum gca_operation op, int error)
{
	last_op = op;
	last_error = error;
	errno = error;
	return -error;
}

int gca_ioctl(const struct gca_arena *arena, unsigned long command, void *arg,
	      enum gca_operation op)
{
	return ioctl(arena->fd, command, arg) ? gca_fail(op, errno) : 0;
}

GCA_PUBLIC const char *gca_strerror(int error)
{
	static __thread char text[256];
	enum gca_operation op;
	size_t i;

	error = abs(error);
	op = error == last_error ? last_op : GCA_OP_NONE;
	if (!error)
		return "no error";
	for (i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		const struct sentence *s = &sentences[i];

		if (s->error == error && (s->op == op || s->op == GCA_OP_NONE))
			return s->text;
	}
	snprintf(text, sizeof(text), "%s (errno %d)", strerror(error), error);
	return text;
}
