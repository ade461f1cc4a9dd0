// SPDX-License-Identifier: GPL-2.0
/*
 * Reaching an arena that another process has open.
 *
 * /proc/PID/fd says which descriptors are the device, pidfd_getfd() gives us one
 * of our own for the same arena, and kcmp() tells duplicates apart. All three
 * ask for the right to trace the process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/gcarena.h>

#include "gcarena.h"
#include "gcarenactl.h"

/* ---- What to do about an error ------------------------------------------ */

enum step {
	STEP_DEVICE,
	STEP_PROCESS,
	STEP_DESCRIPTORS,
	STEP_DUPLICATE,
	STEP_COMMAND,
};

/* A sentence may name the process (%1$d) and the descriptor (%2$d). */
struct remedy {
	enum step step;
	int error;
	const char *sentence;
};

#define NO_RIGHT \
	"no permission to look into process %1$d: run gcarenactl as its owner or as root"
#define NO_MODULE \
	"there is no " DEVICE_PATH ": load the module with `modprobe gcarena`"

#define SEE_LIST	"`gcarenactl list` shows the processes that have an arena"
#define SEE_ITS_LIST	"`gcarenactl list %1$d` shows its arenas"

static const struct remedy remedies[] = {
	{ STEP_DEVICE, ENOENT, NO_MODULE },
	{ STEP_DEVICE, ENODEV, NO_MODULE },
	{ STEP_DEVICE, ENXIO, NO_MODULE },
	{ STEP_DEVICE, EACCES, "no permission to open " DEVICE_PATH
		": run gcarenactl as root, or have its mode or group changed by a udev rule" },
	{ STEP_DEVICE, EPERM, "no permission to open " DEVICE_PATH
		": the container or sandbox must allow the device" },
	{ STEP_PROCESS, ESRCH, "there is no process %1$d: " SEE_LIST },
	{ STEP_PROCESS, EINVAL, "%1$d is a thread: give the number of its process" },
	{ STEP_DESCRIPTORS, ENOENT, "process %1$d has ended: " SEE_LIST },
	{ STEP_DESCRIPTORS, EACCES, NO_RIGHT },
	{ STEP_DESCRIPTORS, EPERM, NO_RIGHT },
	{ STEP_DUPLICATE, EPERM, NO_RIGHT
		" (kernel.yama.ptrace_scope may forbid it even to the owner)" },
	{ STEP_DUPLICATE, EBADF, "process %1$d has no descriptor %2$d: " SEE_ITS_LIST },
	{ STEP_DUPLICATE, ESRCH, "process %1$d has ended: " SEE_LIST },
	{ STEP_DUPLICATE, EMFILE, "too many arenas for one call: raise `ulimit -n`" },
	{ STEP_DUPLICATE, ENOTTY, "descriptor %2$d of process %1$d is no arena: " SEE_ITS_LIST },
};

static const char *step_remedy(enum step step, int error)
{
	const struct remedy *remedy;

	for (remedy = remedies; remedy < remedies + ARRAY_SIZE(remedies); remedy++)
		if (remedy->step == step && remedy->error == error)
			return remedy->sentence;
	return NULL;
}

static enum exit_status step_failure(enum step step, int error, pid_t pid, int fd)
{
	const char *format = step_remedy(step, error);
	char sentence[256];

	if (!format)
		return failure("%s", gca_strerror(error));
	snprintf(sentence, sizeof(sentence), format, pid, fd);
	return failure("%s", sentence);
}

enum exit_status arena_failure(const struct process_arena *arena, int error)
{
	return step_failure(STEP_COMMAND, error, arena->pid, arena->their_fd);
}

int device_open(void)
{
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = -errno;
	step_failure(STEP_DEVICE, -fd, 0, 0);
	return fd;
}

/* ---- One descriptor ----------------------------------------------------- */

static bool same_file(int a, int b)
{
	pid_t self = getpid();

	return !syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);
}

static bool is_known(const struct arena_list *list, int fd)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (same_file(list->arenas[i].fd, fd))
			return true;
	return false;
}

static void read_command(char *command, pid_t pid)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, command, COMM_LEN - 1);
		close(fd);
	}
	command[n > 0 ? n : 0] = '\0';
	command[strcspn(command, "\n")] = '\0';
}

static int arena_add(struct arena_list *list, pid_t pid, int their_fd, int fd)
{
	struct process_arena *grown, *arena;

	grown = reallocarray(list->arenas, list->nr + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->arenas = grown;
	arena = &grown[list->nr++];
	arena->pid = pid;
	arena->their_fd = their_fd;
	arena->fd = fd;
	read_command(arena->command, pid);
	return 0;
}

/* Take over our descriptor @fd of an arena, which @list may know already. */
static int arena_take(struct arena_list *list, pid_t pid, int their_fd, int fd)
{
	int error = 0;

	list->nr_found++;
	if (is_known(list, fd))
		close(fd);
	else
		error = arena_add(list, pid, their_fd, fd);
	if (error)
		close(fd);
	return error;
}

/* Other devices must never be sent our commands: check before the first one. */
static int descriptor_add(struct arena_list *list, int pidfd, pid_t pid, int their_fd,
			  dev_t device)
{
	int fd = syscall(SYS_pidfd_getfd, pidfd, their_fd, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != device) {
		close(fd);
		return -ENOTTY;
	}
	return arena_take(list, pid, their_fd, fd);
}

/* ---- The descriptors of a process --------------------------------------- */

/* By device number: the node may have another name where the process lives. */
static bool is_device(int directory, const char *name, dev_t device)
{
	struct stat st;

	return !fstatat(directory, name, &st, 0) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == device;
}

static int device_number(dev_t *device)
{
	struct stat st;

	if (stat(DEVICE_PATH, &st))
		return -errno;
	*device = st.st_rdev;
	return 0;
}

/* A descriptor may be closed, and opened anew, meanwhile; that is no error. */
static int scan_directory(struct arena_list *list, DIR *directory, int pidfd, pid_t pid,
			  dev_t device)
{
	struct dirent *entry;
	int error;

	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' ||
		    !is_device(dirfd(directory), entry->d_name, device))
			continue;
		error = descriptor_add(list, pidfd, pid, atoi(entry->d_name), device);
		if (error && error != -EBADF && error != -ENOTTY)
			return error;
	}
	return 0;
}

static int scan_process(struct arena_list *list, int pidfd, pid_t pid, dev_t device,
			enum step *step)
{
	char path[64];
	DIR *directory;
	int error;

	*step = STEP_DESCRIPTORS;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		return -errno;
	*step = STEP_DUPLICATE;
	error = scan_directory(list, directory, pidfd, pid, device);
	closedir(directory);
	return error;
}

static int add_from_process(struct arena_list *list, pid_t pid, int fd, dev_t device,
			    enum step *step)
{
	int pidfd, error;

	*step = STEP_PROCESS;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	if (fd < 0) {
		error = scan_process(list, pidfd, pid, device, step);
	} else {
		*step = STEP_DUPLICATE;
		error = descriptor_add(list, pidfd, pid, fd, device);
	}
	close(pidfd);
	return error;
}

int arenas_of_process(struct arena_list *list, pid_t pid, int fd)
{
	enum step step = STEP_DEVICE;
	size_t before = list->nr_found;
	dev_t device;
	int error;

	error = device_number(&device);
	if (!error)
		error = add_from_process(list, pid, fd, device, &step);
	if (error) {
		step_failure(step, -error, pid, fd);
		return error;
	}
	if (list->nr_found > before)
		return 0;
	failure("process %d has no arena open: `gcarenactl list` shows those that have", pid);
	return -ENOENT;
}

/* ---- The processes of the system ---------------------------------------- */

static bool is_number(const char *name)
{
	return *name && !name[strspn(name, "0123456789")];
}

int arenas_of_system(struct arena_list *list, bool *hidden)
{
	enum step step = STEP_DEVICE;
	struct dirent *entry;
	DIR *directory;
	dev_t device;
	int error;

	*hidden = false;
	error = device_number(&device);
	if (error) {
		step_failure(step, -error, 0, 0);
		return error;
	}
	directory = opendir("/proc");
	if (!directory) {
		failure("cannot read /proc: %s", strerror(errno));
		return -ENOENT;
	}
	while ((entry = readdir(directory))) {
		if (!is_number(entry->d_name))
			continue;
		error = add_from_process(list, atoi(entry->d_name), -1, device, &step);
		if (error == -EACCES || error == -EPERM)
			*hidden = true;
	}
	closedir(directory);
	return 0;
}

void arena_list_free(struct arena_list *list)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		close(list->arenas[i].fd);
	free(list->arenas);
	*list = (struct arena_list){ };
}
