// SPDX-License-Identifier: GPL-2.0
/*
 * gcarena: a garbage-collected heap behind a file descriptor.
 *
 * The module: its device, its file operations, its caches. Each open file is an
 * arena of its own, with an inode of its own: page tables are found through the
 * inode's address_space, and the device's inode is shared by all its opens.
 */
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "arena.h"
#include "collect.h"
#include "fault.h"
#include "netlink.h"
#include "park.h"

#ifndef CONFIG_64BIT
#error "gcarena scans 8-byte words: it needs a 64-bit kernel"
#endif

#define GCARENA_FS_MAGIC	0x67636172	/* "gcar" */

module_param_named(max_limit_mib, gcarena_max_limit_mib, uint, 0644);
MODULE_PARM_DESC(max_limit_mib,
		 "Most memory for objects in one arena, MiB; 0 is half of the machine's memory. Callers with CAP_SYS_RESOURCE may take more");

module_param_named(stop_timeout_ms, gcarena_stop_timeout_ms, uint, 0644);
MODULE_PARM_DESC(stop_timeout_ms,
		 "How long a collection waits for the program's threads to stop, ms, 1 to 600000; then it is given up");

struct workqueue_struct *gcarena_wq;

static struct vfsmount *gcarena_mount;
static int gcarena_mount_count;

static int gcarena_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, GCARENA_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type gcarena_fs_type = {
	.owner = THIS_MODULE,
	.name = "gcarena",
	.init_fs_context = gcarena_init_fs_context,
	.kill_sb = kill_anon_super,
};

static int gcarena_open(struct inode *inode, struct file *file)
{
	struct gcarena *arena;
	int ret;

	arena = gcarena_create();
	if (!arena)
		return -ENOMEM;
	/* Pinned for each arena: a mount that lives as long as the module pins it. */
	ret = simple_pin_fs(&gcarena_fs_type, &gcarena_mount, &gcarena_mount_count);
	if (ret)
		goto err_destroy_arena;
	arena->inode = alloc_anon_inode(gcarena_mount->mnt_sb);
	if (IS_ERR(arena->inode)) {
		ret = PTR_ERR(arena->inode);
		goto err_release_fs;
	}
	file->f_mapping = arena->inode->i_mapping;
	file->private_data = arena;
	arena->file = file;
	ret = gcarena_registry_add(arena);
	if (ret)
		goto err_put_inode;
	gcarena_notify_created(arena);
	return nonseekable_open(inode, file);

err_put_inode:
	iput(arena->inode);
err_release_fs:
	simple_release_fs(&gcarena_mount, &gcarena_mount_count);
err_destroy_arena:
	gcarena_destroy(arena);
	return ret;
}

static int gcarena_close(struct inode *inode, struct file *file)
{
	struct gcarena *arena = file->private_data;
	struct inode *own = arena->inode;

	/* In this order: who has found it may ask, what was asked is told, and kicks others. */
	gcarena_registry_remove(arena);
	gcarena_request_cancel(arena);
	mutex_lock(&arena->lock);
	gcarena_concurrent_abandon(arena);
	mutex_unlock(&arena->lock);
	gcarena_notify_gone(arena);
	gcarena_registry_put(arena);
	gcarena_destroy(arena);
	iput(own);
	simple_release_fs(&gcarena_mount, &gcarena_mount_count);
	return 0;
}

static const struct file_operations gcarena_fops = {
	.owner = THIS_MODULE,
	.open = gcarena_open,
	.release = gcarena_close,
	.read = gcarena_events_read,
	.poll = gcarena_events_poll,
	.unlocked_ioctl = gcarena_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = gcarena_mmap,
	.get_unmapped_area = gcarena_get_area,
	.show_fdinfo = gcarena_fdinfo,
};

static struct miscdevice gcarena_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gcarena",
	.fops = &gcarena_fops,
	/* Unprivileged use is safe: what a program takes is charged to it. */
	.mode = 0666,
};

static void gcarena_caches_destroy(void)
{
	/* kmem_cache_destroy() takes NULL. */
	kmem_cache_destroy(gcarena_lease_cache);
	kmem_cache_destroy(gcarena_chunk_cache);
	gcarena_span_caches_destroy();
}

static int gcarena_caches_create(void)
{
	int ret;

	ret = gcarena_span_caches_create();
	if (ret)
		return ret;
	gcarena_chunk_cache = KMEM_CACHE(heap_chunk, SLAB_ACCOUNT);
	gcarena_lease_cache = kmem_cache_create("gcarena_lease", gcarena_lease_size(), 0,
						SLAB_ACCOUNT, NULL);
	if (gcarena_chunk_cache && gcarena_lease_cache)
		return 0;
	gcarena_caches_destroy();
	return -ENOMEM;
}

static int __init gcarena_init(void)
{
	int ret;

	ret = gcarena_caches_create();
	if (ret)
		return ret;
	ret = -ENOMEM;
	gcarena_gap_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!gcarena_gap_page)
		goto err_destroy_caches;
	/* As many as there are arenas with something to do: one that stalls delays none. */
	gcarena_wq = alloc_workqueue("gcarena", WQ_UNBOUND | WQ_SYSFS, 0);
	if (!gcarena_wq)
		goto err_free_page;
	ret = gcarena_park_module_init();
	if (ret)
		goto err_destroy_wq;
	ret = gcarena_netlink_init();
	if (ret)
		goto err_park_exit;
	ret = misc_register(&gcarena_device);
	if (ret)
		goto err_netlink_exit;
	gcarena_fault_init();
	return 0;

err_netlink_exit:
	gcarena_netlink_exit();
err_park_exit:
	gcarena_park_module_exit();
err_destroy_wq:
	destroy_workqueue(gcarena_wq);
err_free_page:
	__free_page(gcarena_gap_page);
err_destroy_caches:
	gcarena_caches_destroy();
	return ret;
}

static void __exit gcarena_exit(void)
{
	misc_deregister(&gcarena_device);
	gcarena_fault_exit();
	gcarena_netlink_exit();
	destroy_workqueue(gcarena_wq);
	gcarena_park_module_exit();
	__free_page(gcarena_gap_page);
	gcarena_caches_destroy();
}

module_init(gcarena_init);
module_exit(gcarena_exit);

MODULE_DESCRIPTION("Garbage-collected memory arenas");
MODULE_LICENSE("GPL");
