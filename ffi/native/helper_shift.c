/*
 * shift <directory> into|out test|change|finish (u|g|b <first id inside> <first id on the host> <count>)...
 *
 * Move the owners of a tree, and what else is an id in it (ACLs, the root of file capabilities), into
 * a map or out of it. The first range that fits counts; what no range has is left as it is. `test`
 * says what would become of each file instead. `finish` goes on with an `into` that was interrupted: it
 * takes ids that are on the host's side of a range for done.
 *
 * The tree may be a container's: each file is held by a descriptor before it is looked at, no link
 * is followed, and what is mounted below the directory is left alone, with a word on stderr.
 * A file is finished before a signal, or the end of its caller, ends the program. A second run finds
 * what the first has done only by its ids: it is safe where no id is both inside and on the host.
 * Exit status: 0, 1 (reason on stderr), 64 for a wrong call.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/xattr.h>
#include <search.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "helper.h"
#include "helper_shift.h"

struct range {
	int is_uid, is_gid;
	uint32_t from, to, count;
};

static struct range *ranges;
static size_t range_count;
static int is_test, is_finish;

/* What is open of the tree: one directory, and for those above it what they are and have left. */
struct level {
	dev_t device;
	ino_t inode;
	size_t path_length;
	struct dirent **entries;
	int count, next;
};

/* -1: no range has it, which chown(2) takes for "leave it". */
static int64_t shifted(int is_gid, uint32_t id)
{
	for (size_t i = 0; is_finish && i < range_count; i++) {
		const struct range *range = &ranges[i];
		if ((is_gid ? range->is_gid : range->is_uid) && id >= range->to &&
		    id - range->to < range->count)
			return -1;
	}
	for (size_t i = 0; i < range_count; i++) {
		const struct range *range = &ranges[i];
		if ((is_gid ? range->is_gid : range->is_uid) && id >= range->from &&
		    id - range->from < range->count)
			return (int64_t)range->to + (id - range->from);
	}
	return -1;
}

int walk_failed(const char *what, const char *path)
{
	const char *reason = strerror(errno);
	fprintf(stderr, "Error: Failed to %s: ", what);
	print_quoted(stderr, path);
	fprintf(stderr, ": %s\n", reason);
	return -1;
}

static int is_absent(void)
{
	return errno == ENODATA || errno == EOPNOTSUPP;
}

/* Layout: version, then (tag, permissions, id) for each entry. @see linux/posix_acl_xattr.h */
static int shift_acl(const char *file, const char *name)
{
	static unsigned char acl[65536];
	enum { HEADER = 4, ENTRY = 8, VERSION = 2, USER = 2, GROUP = 8 };
	ssize_t length = getxattr(file, name, acl, sizeof acl);
	uint32_t version, id;
	int changed = 0;
	if (length < 0)
		return is_absent() ? 0 : -1;
	if (length < HEADER || (memcpy(&version, acl, sizeof version), le32toh(version) != VERSION)) {
		errno = EINVAL;
		return -1;
	}
	for (unsigned char *entry = acl + HEADER; entry + ENTRY <= acl + length; entry += ENTRY) {
		int tag = entry[0] | entry[1] << 8;
		memcpy(&id, entry + 4, sizeof id);
		int64_t target = tag == USER || tag == GROUP ? shifted(tag == GROUP, le32toh(id)) : -1;
		if (target < 0)
			continue;
		id = htole32((uint32_t)target);
		memcpy(entry + 4, &id, sizeof id);
		changed = 1;
	}
	return changed ? setxattr(file, name, acl, (size_t)length, 0) : 0;
}

/* Capabilities belong to the root of a user namespace: that of the host has the format without it. */
static ssize_t shift_capabilities(struct vfs_ns_cap_data *caps, ssize_t length)
{
	uint32_t magic = le32toh(caps->magic_etc), flags = magic & VFS_CAP_FLAGS_MASK;
	int has_root = (magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3;
	if (length < (ssize_t)XATTR_CAPS_SZ_1 || (has_root && length < (ssize_t)XATTR_CAPS_SZ_3))
		return length;
	uint32_t root = has_root ? le32toh(caps->rootid) : 0;
	int64_t target = shifted(0, root);
	root = target < 0 ? root : (uint32_t)target;
	caps->magic_etc = htole32((root == 0 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3) | flags);
	caps->rootid = htole32(root);
	return root == 0 ? XATTR_CAPS_SZ_2 : XATTR_CAPS_SZ_3;
}

/* The kernel takes capabilities, setuid and setgid away at chown(2): they are put back last. */
static int change(int fd, const struct stat *found, const char *path)
{
	struct vfs_ns_cap_data caps = { 0 };
	ssize_t caps_length = -1;
	char file[64];
	int64_t uid = shifted(0, found->st_uid), gid = shifted(1, found->st_gid);
	snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
	if (S_ISREG(found->st_mode)) {
		caps_length = getxattr(file, XATTR_NAME_CAPS, &caps, sizeof caps);
		if (caps_length < 0 && !is_absent())
			return walk_failed("read the capabilities of", path);
	}
	if ((uid >= 0 || gid >= 0) &&
	    fchownat(fd, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) != 0)
		return walk_failed("change ownership of", path);
	if (S_ISLNK(found->st_mode))
		return 0;
	if (shift_acl(file, "system.posix_acl_access") != 0 ||
	    (S_ISDIR(found->st_mode) && shift_acl(file, "system.posix_acl_default") != 0))
		return walk_failed("change ACLs on", path);
	if ((found->st_mode & (S_ISUID | S_ISGID)) != 0 && chmod(file, found->st_mode & 07777) != 0)
		return walk_failed("change mode of", path);
	if (caps_length > 0 &&
	    setxattr(file, XATTR_NAME_CAPS, &caps,
		     (size_t)shift_capabilities(&caps, caps_length), 0) != 0)
		return walk_failed("change capabilities of", path);
	return 0;
}

struct identity {
	dev_t device;
	ino_t inode;
};

static int compare_identities(const void *left, const void *right)
{
	const struct identity *a = left, *b = right;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->inode < b->inode ? -1 : a->inode > b->inode;
}

/* A file with several names is shifted under the first. -1: no memory. */
static int is_seen(const struct stat *found)
{
	static void *seen;
	if (S_ISDIR(found->st_mode) || found->st_nlink < 2)
		return 0;
	struct identity *one = malloc(sizeof *one);
	if (one == NULL)
		return -1;
	*one = (struct identity){ found->st_dev, found->st_ino };
	struct identity **node = tsearch(one, &seen, compare_identities);
	if (node != NULL && *node == one)
		return 0;
	free(one);
	return node == NULL ? -1 : 1;
}

static int (*visitor)(int fd, const struct stat *found, const char *path);

static int visit(int fd, const struct stat *found, const char *path)
{
	int seen = is_seen(found);
	if (seen < 0)
		return walk_failed("remember", path);
	return seen ? 0 : visitor(fd, found, path);
}

static int shift_one(int fd, const struct stat *found, const char *path)
{
	if (!is_test)
		return change(fd, found, path);
	printf("I would shift ");
	print_quoted(stdout, path);
	printf(" to %lld %lld\n", (long long)shifted(0, found->st_uid),
	       (long long)shifted(1, found->st_gid));
	return 0;
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int compare_entries(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

/* Signals end the program here and nowhere else. */
static void take_signals(void)
{
	sigset_t signals, before;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &signals, &before);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static struct level *levels;
static size_t depth;
static char *path;

/* The directory `fd` becomes the open one. */
static int enter(int fd, const struct stat *found)
{
	struct level *grown = realloc(levels, (depth + 1) * sizeof *levels);
	if (grown == NULL)
		return walk_failed("enter", path);
	levels = grown;
	struct level *level = &levels[depth];
	/* "." is not shown in front of what is in it. */
	size_t length = depth == 0 && strcmp(path, ".") == 0 ? 0 : strlen(path);
	*level = (struct level){ found->st_dev, found->st_ino, length, NULL, 0, 0 };
	level->count = scandirat(fd, ".", &level->entries, is_entry, compare_entries);
	if (level->count < 0)
		return walk_failed("read", path);
	depth++;
	return 0;
}

/* Back to the directory above, which must be the one we came from. -1 at the top too. */
static int leave(int fd)
{
	struct stat found;
	free(levels[--depth].entries);
	if (depth == 0) {
		close(fd);
		return -1;
	}
	const struct level *level = &levels[depth - 1];
	int above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	path[level->path_length] = '\0';
	if (above < 0 || fstat(above, &found) != 0)
		return walk_failed("go back to", path);
	if (found.st_dev != level->device || found.st_ino != level->inode) {
		errno = ESTALE;
		return walk_failed("go back to", path);
	}
	return above;
}

/* The path of an entry of the open directory. */
static int set_path(const char *name)
{
	size_t length = levels[depth - 1].path_length;
	char *grown = realloc(path, length + strlen(name) + 2);
	if (grown == NULL)
		return -1;
	path = grown;
	if (length > 0 && path[length - 1] != '/')
		path[length++] = '/';
	strcpy(path + length, name);
	return 0;
}

static int open_entry(int directory, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}

/* One entry of the open directory. The open directory afterwards, maybe another; -1 at a failure. */
static int step(int directory, struct dirent *entry)
{
	struct stat found;
	int known = set_path(entry->d_name);
	int fd = known == 0 ? open_entry(directory, entry->d_name) : -1;
	free(entry);
	if (fd < 0 && errno == EXDEV) {
		fprintf(stderr, "Left alone, something is mounted there: ");
		print_quoted(stderr, path);
		fprintf(stderr, "\n");
		return directory;
	}
	if (fd < 0 || fstat(fd, &found) != 0)
		return walk_failed("open", path);
	if (visit(fd, &found, path) != 0)
		return -1;
	if (!S_ISDIR(found.st_mode)) {
		close(fd);
		return directory;
	}
	close(directory);
	return enter(fd, &found) == 0 ? fd : -1;
}

int walk_tree(const char *top, int (*visit_one)(int fd, const struct stat *found, const char *path))
{
	struct stat found;
	visitor = visit_one;
	int fd = open(top, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	path = strdup(top);
	if (path == NULL || fd < 0 || fstat(fd, &found) != 0)
		return walk_failed("open", top);
	take_signals();
	if (visit(fd, &found, path) != 0)
		return -1;
	if (!S_ISDIR(found.st_mode))
		return 0;
	if (enter(fd, &found) != 0)
		return -1;
	while (fd >= 0) {
		struct level *level = &levels[depth - 1];
		take_signals();
		if (level->next < level->count)
			fd = step(fd, level->entries[level->next++]);
		else if (depth > 1)
			fd = leave(fd);
		else
			return 0;
	}
	return -1;
}

/* A whole number of 32 bits. */
static int parse_id(const char *text, uint32_t *id)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	*id = (uint32_t)value;
	return errno != 0 || *end != '\0' || value > UINT32_MAX ? -1 : 0;
}

/* (u|g|b <inside> <host> <count>)...; the last id of all, 2^32 - 1, is none. */
static int parse_ranges(int count, char **words, int is_out)
{
	ranges = calloc((size_t)count / 4, sizeof *ranges);
	if (ranges == NULL)
		return -1;
	for (; count > 0; count -= 4, words += 4, range_count++) {
		struct range *range = &ranges[range_count];
		const char *kind = words[0];
		range->is_uid = strcmp(kind, "u") == 0 || strcmp(kind, "b") == 0;
		range->is_gid = strcmp(kind, "g") == 0 || strcmp(kind, "b") == 0;
		if ((!range->is_uid && !range->is_gid) ||
		    parse_id(words[1], is_out ? &range->to : &range->from) != 0 ||
		    parse_id(words[2], is_out ? &range->from : &range->to) != 0 ||
		    parse_id(words[3], &range->count) != 0 ||
		    range->count > UINT32_MAX - range->from || range->count > UINT32_MAX - range->to)
			return -1;
	}
	return 0;
}

int verb_shift(int argc, char **argv)
{
	if (argc < 7 || (argc - 3) % 4 != 0 || argv[0][0] == '\0')
		return USAGE;
	int is_out = strcmp(argv[1], "out") == 0;
	is_test = strcmp(argv[2], "test") == 0;
	is_finish = strcmp(argv[2], "finish") == 0;
	if ((!is_out && strcmp(argv[1], "into") != 0) || (is_out && is_finish) ||
	    (!is_test && !is_finish && strcmp(argv[2], "change") != 0) ||
	    parse_ranges(argc - 3, argv + 3, is_out) != 0)
		return USAGE;
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	int result = walk_tree(argv[0], shift_one);
	return fflush(stdout) != 0 || result != 0 ? 1 : 0;
}
