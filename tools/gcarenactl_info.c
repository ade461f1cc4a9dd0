// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl info: what the loaded module can do, and its defaults.
 *
 * An arena is opened and asked before anything about it is fixed: what it says
 * is what a program gets that does not choose.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/gcarena.h>

#include "gcarena.h"
#include "gcarenactl.h"

#define MODULE_DIRECTORY "/sys/module/gcarena"

/* In the order of the GCARENA_FEATURE_ bits. */
static const char *const feature_names[] = {
	"mark-sweep", "types", "auto-roots", "auto-collect", "stop-world", "events",
	"minor", "compact", "concurrent", "memory-limit", "major", "permanent", "names",
	"ids", "evacuate", NULL
};

static const struct attribute info_rows[] = {
	ATTRIBUTE(NUMBER, gcarena_info, abi_version, "ABI version"),
	ATTRIBUTE(NAMES, gcarena_info, features, "features", .names = feature_names),
	ATTRIBUTE(BYTES, gcarena_info, block_size, "block"),
	ATTRIBUTE(COUNT, gcarena_info, nr_size_classes, "size classes"),
	ATTRIBUTE(BYTES, gcarena_info, max_small, "largest small object"),
	ATTRIBUTE(BYTES, gcarena_info, reserve, "address range",
		  .heading = "defaults of a new arena"),
	ATTRIBUTE(BYTES, gcarena_info, limit, "memory limit"),
	ATTRIBUTE(BYTES, gcarena_info, min_heap, "collects by itself from"),
	ATTRIBUTE(PERCENT, gcarena_info, gc_percent, "growth until a collection"),
	ATTRIBUTE(NAME, gcarena_info, root_mode, "roots", .names = root_mode_names),
};

static const struct attributes info_attributes = ATTRIBUTES(info_rows);

/* A class as it is shown: tail waste is what the slots leave of a span. */
struct class_row {
	uint32_t size_class;
	uint32_t slot_size;
	uint32_t nr_slots;
	uint32_t span_size;
	uint32_t tail_waste;
};

static const struct attribute class_rows[] = {
	ATTRIBUTE(NUMBER, class_row, size_class, "class"),
	ATTRIBUTE(NUMBER, class_row, slot_size, "slot bytes"),
	ATTRIBUTE(NUMBER, class_row, nr_slots, "slots"),
	ATTRIBUTE(NUMBER, class_row, span_size, "span bytes"),
	ATTRIBUTE(NUMBER, class_row, tail_waste, "unused bytes"),
};

static const struct attributes class_attributes = ATTRIBUTES(class_rows);

/* ---- What sysfs says ---------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (!file)
		return false;
	ok = fgets(line, size, file);
	fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static void show_version(struct output *out)
{
	char line[64];

	if (read_line(MODULE_DIRECTORY "/version", line, sizeof(line)))
		output_string(out, "module_version", "module version", line);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void show_parameter(struct output *out, const char *name)
{
	char path[512], line[128];

	snprintf(path, sizeof(path), MODULE_DIRECTORY "/parameters/%s", name);
	if (read_line(path, line, sizeof(line)))
		output_string(out, name, name, line);
}

static void show_parameters(struct output *out)
{
	struct dirent **entries;
	int nr, i;

	nr = scandir(MODULE_DIRECTORY "/parameters", &entries, is_visible, compare_names);
	output_open(out, "parameters", '{');
	if (nr > 0 && !out->json)
		puts(" module parameters");
	for (i = 0; i < nr; i++) {
		show_parameter(out, entries[i]->d_name);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	output_close(out, '}');
}

/* ---- The size-class table ----------------------------------------------- */

static int read_classes(int fd, struct gcarena_size_class *classes, uint32_t nr)
{
	struct gcarena_classes request = {
		.size = sizeof(request),
		.classes = (uintptr_t)classes,
		.nr = nr,
	};

	return ioctl(fd, GCARENA_IOC_CLASSES, &request) ? -errno : 0;
}

static void class_row_fill(struct class_row *row, uint32_t number,
			   const struct gcarena_size_class *class)
{
	row->size_class = number;
	row->slot_size = class->slot_size;
	row->nr_slots = class->nr_slots;
	row->span_size = class->span_size;
	row->tail_waste = class->span_size - class->slot_size * class->nr_slots;
}

/* Class 0 stands for large objects and has no row. */
static void show_class_rows(struct output *out, const struct gcarena_size_class *classes,
			    struct class_row *rows, uint32_t nr)
{
	uint32_t i;

	for (i = 1; i < nr; i++)
		class_row_fill(&rows[i - 1], i, &classes[i]);
	output_open(out, "classes", '[');
	if (!out->json)
		putchar('\n');
	output_table(out, &class_attributes, rows, nr - 1, sizeof(*rows));
	output_close(out, ']');
}

static int show_classes(struct output *out, int fd, uint32_t nr)
{
	struct gcarena_size_class *classes = calloc(nr, sizeof(*classes));
	struct class_row *rows = calloc(nr, sizeof(*rows));
	int error = -ENOMEM;

	if (classes && rows)
		error = read_classes(fd, classes, nr);
	if (!error)
		show_class_rows(out, classes, rows, nr);
	free(classes);
	free(rows);
	return error;
}

/* ---- The device ---------------------------------------------------------- */

static const char *device_remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "there is no " DEVICE_PATH ": load the module with `modprobe gcarena`";
	case EACCES:
		return "no permission to open " DEVICE_PATH
		       ": run gcarenactl as root, or have its mode or group changed by a udev rule";
	case EPERM:
		return "no permission to open " DEVICE_PATH
		       ": the container or sandbox must allow the device";
	default:
		return gca_strerror(error);
	}
}

int device_open(void)
{
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = -errno;
	failure("%s", device_remedy(-fd));
	return fd;
}

/* ---- The command -------------------------------------------------------- */

static int show_info(const struct options *options, int fd)
{
	struct gcarena_info info = { .size = sizeof(info) };
	struct output out;
	int error = 0;

	if (ioctl(fd, GCARENA_IOC_INFO, &info))
		return -errno;
	output_begin(&out, options->json, '{');
	output_title(&out, "gcarena: a garbage-collected heap in the kernel");
	show_version(&out);
	output_record(&out, &info_attributes, &info);
	show_parameters(&out);
	if (options->classes)
		error = show_classes(&out, fd, info.nr_size_classes);
	output_end(&out, '}');
	return error;
}

enum exit_status command_info(const struct options *options, int argc, char **argv)
{
	int fd = device_open();
	int error;

	(void)argc;
	(void)argv;
	if (fd < 0)
		return STATUS_FAILURE;
	error = show_info(options, fd);
	close(fd);
	return error ? failure("%s", gca_strerror(error)) : STATUS_OK;
}
