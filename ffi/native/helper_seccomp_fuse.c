/*
 * A mount that a program of the container does instead of the kernel (FUSE). The program runs inside: in
 * the namespaces, control groups and AppArmor profile of the caller, as root of its user namespace. So
 * it may do there what root of the container may do, and no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_seccomp.h"

enum { LIMIT_SECONDS = 30 };

/* In the order in which they are entered: rights over the others end with the user namespace. */
static const struct {
	const char *file;
	int type;
} NAMESPACES[] = {
	{ "ns/cgroup", CLONE_NEWCGROUP }, { "ns/ipc", CLONE_NEWIPC },	{ "ns/uts", CLONE_NEWUTS },
	{ "ns/net", CLONE_NEWNET },	  { "ns/pid", CLONE_NEWPID },	{ "ns/mnt", CLONE_NEWNS },
	{ "ns/user", CLONE_NEWUSER },
};
enum { NAMESPACE_COUNT = sizeof NAMESPACES / sizeof NAMESPACES[0] };

/* "0::/x" or "4:memory:/x" of /proc/<pid>/cgroup: join it. */
static int join_cgroup(char *line)
{
	char *controllers = strchr(line, ':');
	char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
	char file[4600];
	if (path == NULL)
		return 0;
	*path++ = '\0';
	controllers++;
	if (strncmp(controllers, "name=", 5) == 0)
		controllers += 5;
	const char *roots[] = { controllers[0] == '\0' ? "unified" : controllers, "" };
	for (size_t i = 0; i < 2; i++) {
		snprintf(file, sizeof file, "/sys/fs/cgroup/%s%s/cgroup.procs", roots[i], path);
		int fd = open(file, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		int joined = write(fd, "0", 1) == 1;
		close(fd);
		return joined;
	}
	return 0;
}

/* What the program uses counts as the container's. */
static int join_cgroups(const struct caller *caller)
{
	char text[16384], *rest = NULL;
	int joined = 0;
	if (read_of_caller(caller, "cgroup", text, sizeof text) == 0)
		return -1;
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		joined += join_cgroup(line);
	return joined > 0 ? 0 : -1;
}

/* "exec <profile>" for attr/exec; empty where AppArmor confines nobody. */
static void read_profile(const struct caller *caller, char *text, size_t size)
{
	size_t length = (size_t)snprintf(text, size, "exec ");
	if (read_of_caller(caller, "attr/current", text + length, size - length) == 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	char *mode = strstr(text, " (");
	if (mode != NULL)
		*mode = '\0';
	if (strcmp(text, "exec unconfined") == 0)
		text[0] = '\0';
}

static void write_options(char *options, size_t size, unsigned long flags, const char *data)
{
	static const struct {
		unsigned long flag;
		const char *word;
	} words[] = { { MS_NOSUID, ",nosuid" }, { MS_NODEV, ",nodev" },	    { MS_NOEXEC, ",noexec" },
		      { MS_SYNCHRONOUS, ",sync" }, { MS_NOATIME, ",noatime" } };
	size_t length = (size_t)snprintf(options, size, "%s", (flags & MS_RDONLY) != 0 ? "ro" : "rw");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if ((flags & words[i].flag) != 0)
			length += (size_t)snprintf(options + length, size - length, "%s", words[i].word);
	if (data[0] != '\0')
		snprintf(options + length, size - length, ",%s", data);
}

/* In the process that becomes the program: everything but its pid namespace is still the host's. */
static void run_inside(const struct caller *caller, const int *namespaces, const char *profile,
		       char **argv)
{
	static char *environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
	};
	int root = openat(caller->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int start = openat(caller->proc, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int confine = profile[0] == '\0' ? -1 : open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
	int null = open("/dev/null", O_RDWR);
	if (root < 0 || start < 0 || null < 0 || (profile[0] != '\0' && confine < 0))
		_exit(127);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < NAMESPACE_COUNT; i++)
		if (NAMESPACES[i].type != CLONE_NEWPID && setns(namespaces[i], NAMESPACES[i].type) != 0)
			_exit(127);
	if (fchdir(root) != 0 || chroot(".") != 0 || fchdir(start) != 0)
		_exit(127);
	if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
		_exit(127);
	if (confine >= 0 && write(confine, profile, strlen(profile)) < 0)
		_exit(127);
	umask(022);
	environ = environment;
	execvp(argv[0], argv);
	_exit(127);
}

int mount_by_program(const struct caller *caller, const struct fuse_mount *wish)
{
	char options[5000], profile[512];
	int namespaces[NAMESPACE_COUNT], status;
	char *argv[] = { (char *)wish->program, (char *)wish->source, (char *)wish->target, "-o", options,
			 NULL };
	write_options(options, sizeof options, wish->flags, wish->data);
	read_profile(caller, profile, sizeof profile);
	for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
		namespaces[i] = openat(caller->proc, NAMESPACES[i].file, O_RDONLY | O_CLOEXEC);
		if (namespaces[i] < 0)
			return EPERM;
		if (NAMESPACES[i].type == CLONE_NEWPID && setns(namespaces[i], CLONE_NEWPID) != 0)
			return EPERM;
	}
	if (join_cgroups(caller) != 0)
		return EPERM;
	pid_t child = fork();
	if (child < 0)
		return errno;
	if (child == 0) {
		/* A program that never ends its start must not hold the caller for ever. */
		alarm(LIMIT_SECONDS);
		run_inside(caller, namespaces, profile, argv);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EINVAL;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return ETIMEDOUT;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EINVAL;
}
