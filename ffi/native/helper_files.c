/*
 * Files below a root, for helper_sftp.c. The root is that of a container: every path in it is hostile.
 * Each is resolved from the held root with RESOLVE_IN_ROOT and without magic links, and nothing but
 * regular files is ever opened: no FIFO to hang at, no device to wake up.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helper.h"
#include "helper_sftp.h"

static int root = -1;
/* /proc/self/fd of the host: opens again what an O_PATH descriptor holds. */
static int descriptors = -1;

static int set_namespace(int pid, const char *name)
{
	char path[64];
	struct stat theirs, mine;
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &theirs) != 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	/* The kernel refuses to enter the own user namespace again. */
	if (stat(path, &mine) == 0 && mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev)
		return close(fd);
	int result = setns(fd, 0);
	close(fd);
	return result;
}

/* Be root of the user namespace that `users` is. */
static int become_root_of(int users)
{
	if (users >= 0 && setns(users, CLONE_NEWUSER) != 0)
		return -1;
	return setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0 ? -1 : 0;
}

/* root <directory> [<descriptor of the user namespace whose ids the files have>] | pid <init's pid> */
int files_enter(int argc, char **argv)
{
	umask(0);
	descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (descriptors < 0)
		return -1;
	if (strcmp(argv[0], "root") == 0) {
		root = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
		return argc == 3 && become_root_of(parse_number(argv[2])) != 0 ? -1 : root;
	}
	int pid = parse_number(argv[1]);
	if (strcmp(argv[0], "pid") != 0 || pid <= 0)
		return -1;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
	int mounts = open(path, O_RDONLY | O_CLOEXEC);
	if (mounts < 0 || set_namespace(pid, "user") != 0 || setns(mounts, CLONE_NEWNS) != 0)
		return -1;
	close(mounts);
	if (become_root_of(-1) != 0)
		return -1;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root;
}

static int find(const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_PATH | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, root, *path == '\0' ? "." : path, &how, sizeof how);
}

/* The directory of the last part of a path, and that part ("." for the root itself). */
static int find_parent(const char *path, char name[PATH_BYTES])
{
	char parent[PATH_BYTES];
	size_t length = strlen(path);
	if (length >= sizeof parent) {
		errno = ENAMETOOLONG;
		return -1;
	}
	while (length > 0 && path[length - 1] == '/')
		length--;
	size_t start = length;
	while (start > 0 && path[start - 1] != '/')
		start--;
	memcpy(name, path + start, length - start);
	name[length - start] = '\0';
	memcpy(parent, path, start);
	parent[start] = '\0';
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		strcpy(name, ".");
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	return find(parent, O_DIRECTORY);
}

static int close_with(int fd, int result)
{
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int open_again(int fd, int flags)
{
	char number[16];
	snprintf(number, sizeof number, "%d", fd);
	return openat(descriptors, number, flags | O_CLOEXEC | O_NOCTTY);
}

/* Open what is there, if it is a regular file. */
static int open_found(int found, int flags)
{
	struct stat info;
	if (fstat(found, &info) != 0)
		return -1;
	if (!S_ISREG(info.st_mode)) {
		errno = S_ISDIR(info.st_mode) ? EISDIR : EOPNOTSUPP;
		return -1;
	}
	return open_again(found, flags & ~(O_CREAT | O_EXCL));
}

/* What a link names, as a path from the same root: ".." after a link is for the kernel to follow. */
static int follow_link(int parent, const char *name, const char *path, char next[PATH_BYTES])
{
	char target[PATH_BYTES];
	ssize_t size = readlinkat(parent, name, target, sizeof target - 1);
	if (size < 0) {
		errno = EEXIST; /* It came between, and is no link. */
		return -1;
	}
	target[size] = '\0';
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	while (length > 0 && path[length - 1] != '/')
		length--;
	if (*target == '/')
		length = 0;
	if (length + (size_t)size >= PATH_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(next, path, length);
	strcpy(next + length, target);
	return 0;
}

/*
 * Make a file. A link that leads to nothing yet is followed, as open(2) does: /etc/resolv.conf often
 * is one. Nothing that came between is opened, it might be a device.
 */
static int create(const char *path, int flags, mode_t mode)
{
	enum { LINKS = 40 };
	char name[PATH_BYTES], next[PATH_BYTES];
	for (int links = 0; links < LINKS; links++) {
		int parent = find_parent(path, name);
		if (parent < 0)
			return -1;
		int fd = openat(parent, name, flags | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);
		if (fd >= 0 || errno != EEXIST || (flags & O_EXCL) != 0)
			return close_with(parent, fd);
		if (close_with(parent, follow_link(parent, name, path, next)) < 0)
			return -1;
		path = next;
	}
	errno = ELOOP;
	return -1;
}

int files_open(const char *path, int flags, mode_t mode)
{
	int found = (flags & O_EXCL) != 0 ? -1 : find(path, 0);
	if (found >= 0)
		return close_with(found, open_found(found, flags));
	if ((flags & O_CREAT) == 0 || ((flags & O_EXCL) == 0 && errno != ENOENT))
		return -1;
	return create(path, flags, mode);
}

int files_open_directory(const char *path)
{
	int found = find(path, O_DIRECTORY);
	if (found < 0)
		return -1;
	return close_with(found, open_again(found, O_RDONLY | O_DIRECTORY));
}

int files_stat(const char *path, int follow, struct stat *info)
{
	int found = find(path, follow ? 0 : O_NOFOLLOW);
	if (found < 0)
		return -1;
	return close_with(found, fstat(found, info));
}

static int set_all(int fd, const char *self, const struct attributes *attributes)
{
	uint32_t flags = attributes->flags;
	/* The owner first: a change of it clears the setuid bits. */
	if ((flags & ATTR_UIDGID) != 0 &&
	    fchownat(fd, "", attributes->uid, attributes->gid, AT_EMPTY_PATH) != 0)
		return -1;
	if ((flags & ATTR_PERMISSIONS) != 0 &&
	    fchmodat(descriptors, self, attributes->mode & 07777, 0) != 0)
		return -1;
	if ((flags & ATTR_ACMODTIME) != 0) {
		struct timespec times[] = { { .tv_sec = attributes->atime }, { .tv_sec = attributes->mtime } };
		if (utimensat(descriptors, self, times, 0) != 0)
			return -1;
	}
	return 0;
}

int files_set_open(int fd, const struct attributes *attributes)
{
	char self[16];
	snprintf(self, sizeof self, "%d", fd);
	if ((attributes->flags & ATTR_SIZE) != 0 && ftruncate(fd, (off_t)attributes->size) != 0)
		return -1;
	return set_all(fd, self, attributes);
}

int files_set(const char *path, int follow, const struct attributes *attributes)
{
	struct attributes wanted = *attributes;
	struct stat info;
	char self[16];
	int found = find(path, follow ? 0 : O_NOFOLLOW);
	if (found < 0)
		return -1;
	if (fstat(found, &info) == 0 && S_ISLNK(info.st_mode))
		wanted.flags &= ATTR_UIDGID; /* A link has no other attributes that could be set. */
	if ((wanted.flags & ATTR_SIZE) != 0) {
		int file = open_found(found, O_WRONLY);
		if (file < 0 || ftruncate(file, (off_t)wanted.size) != 0)
			return close_with(file < 0 ? found : (close(file), found), -1);
		close(file);
	}
	snprintf(self, sizeof self, "%d", found);
	return close_with(found, set_all(found, self, &wanted));
}

int files_remove(const char *path, int directory)
{
	char name[PATH_BYTES];
	int parent = find_parent(path, name);
	if (parent < 0)
		return -1;
	if (strcmp(name, ".") == 0) {
		errno = EBUSY;
		return close_with(parent, -1);
	}
	return close_with(parent, unlinkat(parent, name, directory ? AT_REMOVEDIR : 0));
}

int files_make_directory(const char *path, mode_t mode)
{
	char name[PATH_BYTES];
	int parent = find_parent(path, name);
	if (parent < 0)
		return -1;
	return close_with(parent, mkdirat(parent, name, mode & 07777));
}

int files_make_link(const char *path, const char *target)
{
	char name[PATH_BYTES];
	int parent = find_parent(path, name);
	if (parent < 0)
		return -1;
	return close_with(parent, symlinkat(target, parent, name));
}

int files_hard_link(const char *from, const char *to)
{
	char source[PATH_BYTES], target[PATH_BYTES];
	int first = find_parent(from, source);
	if (first < 0)
		return -1;
	int second = find_parent(to, target);
	if (second < 0)
		return close_with(first, -1);
	return close_with(first, close_with(second, linkat(first, source, second, target, 0)));
}

int files_rename(const char *from, const char *to, int replace)
{
	char source[PATH_BYTES], target[PATH_BYTES];
	int first = find_parent(from, source);
	if (first < 0)
		return -1;
	int second = find_parent(to, target);
	if (second < 0)
		return close_with(first, -1);
	int result = renameat2(first, source, second, target, replace ? 0 : RENAME_NOREPLACE);
	return close_with(first, close_with(second, result));
}

ssize_t files_read_link(const char *path, char *target, size_t size)
{
	int found = find(path, O_NOFOLLOW);
	if (found < 0)
		return -1;
	ssize_t length = readlinkat(found, "", target, size);
	close_with(found, 0);
	return length;
}

/* Without asking for the place of links: clients want an absolute path without "." and "..". */
int files_real_path(const char *path, char real[PATH_BYTES])
{
	size_t length = 0;
	while (*path != '\0') {
		const char *end = strchrnul(path, '/');
		size_t part = (size_t)(end - path);
		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (length > 0 && real[--length] != '/')
				;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			if (length + part + 2 > PATH_BYTES) {
				errno = ENAMETOOLONG;
				return -1;
			}
			real[length++] = '/';
			memcpy(real + length, path, part);
			length += part;
		}
		path = *end == '\0' ? end : end + 1;
	}
	if (length == 0)
		real[length++] = '/';
	real[length] = '\0';
	return 0;
}
