/*
 * project probe <directory>             does its file system enforce project quotas?
 * project set <directory> <id> <bytes>  all in it belongs to the project, which gets the limit (0: none)
 * project limit <directory> <id> <bytes>   only the limit
 * project clear <directory>             all in it belongs to no project
 * project show <directory>              "<id> <limit in bytes> <used bytes>" on standard output
 *
 * What is made later in a directory of a project belongs to it too. A tree may be a container's.
 * Exit status: 0, 1 (reason on stderr), 64 for a wrong call. @see quotactl(2)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helper.h"
#include "helper_shift.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

/* Limits are counted in these. @see QIF_DQBLKSIZE */
enum { BLOCK_BYTES = 1024 };

static uint32_t project;

static int quota(int fd, int command, uint32_t id, void *data)
{
	return (int)syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data);
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Only directories and regular files have one. */
static int set_project(int held, const struct stat *found, const char *path)
{
	struct fsxattr attributes;
	char file[64];
	if (!S_ISDIR(found->st_mode) && !S_ISREG(found->st_mode))
		return 0;
	snprintf(file, sizeof file, "/proc/self/fd/%d", held);
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0)
		return walk_failed("read the project of", path);
	attributes.fsx_projid = project;
	if (S_ISDIR(found->st_mode))
		attributes.fsx_xflags = project == 0 ? attributes.fsx_xflags & ~(uint32_t)FS_XFLAG_PROJINHERIT
						     : attributes.fsx_xflags | FS_XFLAG_PROJINHERIT;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) != 0)
		return walk_failed("set the project of", path);
	return close(fd);
}

static int probe(int fd)
{
	struct fs_quota_stat state = { 0 };
	if (quota(fd, Q_XGETQSTAT, 0, &state) != 0)
		return -1;
	if ((state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0)
		return 0;
	errno = ESRCH;
	return -1;
}

static int limit(int fd, uint64_t bytes)
{
	struct if_dqblk block = { .dqb_bhardlimit = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES,
				  .dqb_valid = QIF_BLIMITS };
	return quota(fd, Q_SETQUOTA, project, &block);
}

static int show(int fd)
{
	struct fsxattr attributes;
	struct if_dqblk block = { 0 };
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0)
		return -1;
	uint32_t id = attributes.fsx_projid;
	if (id != 0 && quota(fd, Q_GETQUOTA, id, &block) != 0 && errno != ENOENT && errno != ESRCH)
		return -1;
	printf("%u %llu %llu\n", id, (unsigned long long)block.dqb_bhardlimit * BLOCK_BYTES,
	       (unsigned long long)block.dqb_curspace);
	return fflush(stdout);
}

static int parse_u64(const char *text, uint64_t most, uint64_t *value)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' || *value > most ? -1 : 0;
}

int verb_project(int argc, char **argv)
{
	uint64_t id = 0, bytes = 0;
	const char *verb = argc > 0 ? argv[0] : "";
	int is_set = strcmp(verb, "set") == 0, is_limit = strcmp(verb, "limit") == 0;
	int is_clear = strcmp(verb, "clear") == 0;
	if (argc != (is_set || is_limit ? 4 : 2) || argv[1][0] == '\0')
		return USAGE;
	if ((is_set || is_limit) &&
	    (parse_u64(argv[2], UINT32_MAX - 1, &id) != 0 || id == 0 ||
	     parse_u64(argv[3], INT64_MAX, &bytes) != 0))
		return USAGE;
	project = (uint32_t)id;
	int fd = open_directory(argv[1]), result;
	if (fd < 0)
		return walk_failed("open", argv[1]) == 0 ? 0 : 1;
	if ((is_set || is_clear) && walk_tree(argv[1], set_project) != 0)
		return 1;
	if (is_clear)
		return 0;
	if (is_set || is_limit)
		result = limit(fd, bytes);
	else if (strcmp(verb, "probe") == 0)
		result = probe(fd);
	else if (strcmp(verb, "show") == 0)
		result = show(fd);
	else
		return USAGE;
	return result == 0 ? 0 : (walk_failed("work with the quota of", argv[1]), 1);
}
