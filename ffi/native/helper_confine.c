/*
 * confine <directory> -- <program> [argument...]
 *
 * Run a program that handles hostile input (tar, unsquashfs) so that it can write nowhere but below
 * <directory>: a mount namespace in which everything else is read-only, no network, no capabilities
 * but those that unpacking needs, no new privileges, its death tied to the caller's.
 * Exit status: the program's; 125 if the confinement itself failed (reason on stderr).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helper.h"

#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1
#endif

static int failed(const char *step)
{
	fprintf(stderr, "confine: %s: %s\n", step, strerror(errno));
	return 125;
}

/* Keep what creating files for any owner needs; SYS_ADMIN, MKNOD of disks etc. are gone for good. */
static int drop_capabilities(void)
{
	static const int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP,
				    CAP_MKNOD };
	for (int cap = 0; cap <= 63; cap++) {
		int keep = 0;
		for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
			keep |= kept[i] == cap;
		if (!keep && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
			return -1;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int verb_confine(int argc, char **argv)
{
	if (argc < 3 || argv[0][0] != '/' || strcmp(argv[1], "--") != 0) {
		fprintf(stderr, "usage: confine <directory> -- <program> [argument...]\n");
		return 125;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0)
		return failed("unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return failed("make mounts private");
	/* Hostile input may have left a link in the place of the directory. */
	int place = open(argv[0], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return failed("open directory");
	int tree = (int)syscall(SYS_open_tree, place, "",
				AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return failed("open directory");
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &readonly, sizeof readonly) != 0)
		return failed("make mounts read-only");
	if (syscall(SYS_move_mount, tree, "", place, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return failed("bind directory");
	if (fchdir(tree) != 0)
		return failed("enter directory");
	if (drop_capabilities() != 0)
		return failed("drop capabilities");
	execvp(argv[2], argv + 2);
	return failed(argv[2]);
}
