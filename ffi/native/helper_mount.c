/*
 * mount <pid> <source> <target> [ro] [rec] [idmap] [file] [propagation=<n>]
 *     Bind <source> of the host on <target> of the running container whose init is <pid>.
 *     <target> is made if it is missing. idmap: show the container's ids on it.
 * umount <pid> <target> [remove]
 *     remove: the empty file that was the mount point, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

static int failed(const char *step)
{
	fprintf(stderr, "%s: %s\n", step, strerror(errno));
	return 1;
}

static int open_namespace(int pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Make the missing parts of an absolute path; the root is the container's, so links stay inside. */
static int make_target(const char *target, int is_file)
{
	char path[4096];
	if (strlen(target) >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(path, target);
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	if (!is_file) {
		struct stat info;
		if (mkdir(path, 0755) == 0)
			return 0;
		if (errno != EEXIST || stat(path, &info) != 0)
			return -1;
		errno = ENOTDIR;
		return S_ISDIR(info.st_mode) ? 0 : -1;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (fd < 0)
		return errno == EISDIR || access(path, F_OK) != 0 ? -1 : 0;
	return close(fd);
}

/* Remove what `mount` made: an empty file, nothing that somebody else put there. */
static int remove_target(const char *target)
{
	struct stat info;
	if (lstat(target, &info) != 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (!S_ISREG(info.st_mode) || info.st_size != 0)
		return 0;
	return unlink(target) != 0 && errno != ENOENT ? -1 : 0;
}

enum inside { MAKE_DIRECTORY, MAKE_FILE, REMOVE };

/* As root of the container: what is made belongs to it, and it could have done all of this itself. */
static int run_inside(int user, int mounts, const char *target, enum inside what)
{
	int status;
	pid_t child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		if ((user >= 0 && setns(user, CLONE_NEWUSER) != 0) || setns(mounts, CLONE_NEWNS) != 0)
			_exit(failed("enter container"));
		if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
			_exit(failed("become root of the container"));
		if (what == REMOVE)
			_exit(remove_target(target) != 0 ? failed("remove mount point") : 0);
		_exit(make_target(target, what == MAKE_FILE) != 0 ? failed("make mount point") : 0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* The container's user namespace, or -1 if it is ours. */
static int foreign_user_namespace(int pid)
{
	struct stat own, other;
	int fd = open_namespace(pid, "user");
	if (fd >= 0 && stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
	    own.st_ino == other.st_ino) {
		close(fd);
		return -1;
	}
	return fd;
}

int verb_mount(int argc, char **argv)
{
	int pid = argc < 3 ? -1 : parse_number(argv[0]);
	int is_file = 0, recursive = 0, idmap = 0;
	struct mount_attr attr = { 0 };
	if (pid < 2 || argv[1][0] != '/' || argv[2][0] != '/')
		goto usage;
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "ro") == 0)
			attr.attr_set |= MOUNT_ATTR_RDONLY;
		else if (strcmp(argv[i], "rec") == 0)
			recursive = AT_RECURSIVE;
		else if (strcmp(argv[i], "idmap") == 0)
			idmap = 1;
		else if (strcmp(argv[i], "file") == 0)
			is_file = 1;
		else if (strncmp(argv[i], "propagation=", 12) == 0)
			attr.propagation = (unsigned)parse_number(argv[i] + 12);
		else
			goto usage;
	}
	int user = foreign_user_namespace(pid), mounts = open_namespace(pid, "mnt");
	if (mounts < 0)
		return failed("open mount namespace");
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, argv[1],
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (tree < 0)
		return failed("open source");
	if (idmap && user >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (unsigned)user;
	}
	/* A tree that can't be bound can't be moved to where others would see it. */
	struct mount_attr later = { 0 };
	if (attr.propagation == MS_UNBINDABLE) {
		later.propagation = attr.propagation;
		attr.propagation = MS_PRIVATE;
	}
	if ((attr.attr_set != 0 || attr.propagation != 0) &&
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) != 0)
		return failed("set mount options");
	if (run_inside(user, mounts, argv[2], is_file ? MAKE_FILE : MAKE_DIRECTORY) != 0)
		return 1;
	if (setns(mounts, CLONE_NEWNS) != 0)
		return failed("enter container");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, argv[2], MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return failed("mount");
	if (later.propagation != 0 &&
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &later, sizeof later) != 0)
		return failed("set mount propagation");
	return 0;

usage:
	fprintf(stderr, "usage: mount <pid> <source> <target> [ro] [rec] [idmap] [file] "
			"[propagation=<n>]\n");
	return USAGE;
}

int verb_umount(int argc, char **argv)
{
	int pid = argc < 2 || argc > 3 ? -1 : parse_number(argv[0]);
	int removes = argc == 3 && strcmp(argv[2], "remove") == 0;
	if (pid < 2 || argv[1][0] != '/' || (argc == 3 && !removes)) {
		fprintf(stderr, "usage: umount <pid> <target> [remove]\n");
		return USAGE;
	}
	int user = foreign_user_namespace(pid), mounts = open_namespace(pid, "mnt");
	if (mounts < 0)
		return failed("open mount namespace");
	pid_t child = fork();
	if (child < 0)
		return failed("fork");
	if (child == 0) {
		if (setns(mounts, CLONE_NEWNS) != 0)
			_exit(failed("enter container"));
		int done = umount2(argv[1], MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL ||
			   errno == ENOENT || errno == ENOTDIR;
		_exit(done ? 0 : failed("unmount"));
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return 1;
	return removes && run_inside(user, mounts, argv[1], REMOVE) != 0 ? 1 : 0;
}
