/*
 * exec <lxcpath> <name> <status fd> <uid> <gid> <cwd> pipe|tty any|native <count> <KEY=value>...
 *      <program>...
 *
 * Run a program in a container with this process's standard streams; `tty` makes standard input its
 * controlling terminal (whoever made it has given it to the user); `native`: no 32-bit programs. The status fd is a socket: the
 * program runs when a byte comes there (its end: it does not run), and lines go out:
 *   pid <n>      the program's pid on the host
 *   exit <n> | signal <n>
 * A program whose status nobody can read any more (the daemon was killed) is killed.
 * A program that is missing ends with 127, one that can't be run with 126.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"

struct program {
	char **argv;
	char **envp;
	int tty;
};

/* Runs inside the container, as the wanted user, in the wanted directory. */
static int run_program(void *payload)
{
	struct program *program = payload;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (program->tty) {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	}
	environ = program->envp;
	execvpe(program->argv[0], program->argv, program->envp);
	fprintf(stderr, "%s: %s\n", program->argv[0], strerror(errno));
	return errno == ENOENT || errno == ENOTDIR ? 127 : 126;
}

/* False: nobody listens any more. */
static int report(int fd, const char *word, int value)
{
	char line[32];
	int length = snprintf(line, sizeof line, "%s %d\n", word, value);
	return write(fd, line, (size_t)length) == length;
}

/* Wait for the end of the program. When nobody listens any more, its session is over: kill it. */
static int wait_for(pid_t pid, int status_fd, int listened)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status;
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN }, { .fd = status_fd } };
	while (pidfd >= 0 && listened && polled[0].revents == 0) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			break;
		listened = (polled[1].revents & (POLLERR | POLLHUP)) == 0;
	}
	if (!listened && polled[0].revents == 0)
		kill(pid, SIGKILL); /* Our child, not reaped yet: the pid is its own. */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* All that can be done before is done: the caller says when. */
static int may_run(int status_fd)
{
	char byte;
	ssize_t got;
	do
		got = read(status_fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1;
}

/*
 * Environments hold secrets and any user may read a command line: take them out of ours. Programs see
 * that they are in a container, as init does, unless the caller says otherwise.
 */
static char **take_environment(char **words, int count)
{
	static char in_container[] = "container=lxc";
	char **env = calloc((size_t)count + 2, sizeof *env);
	int told = 0;
	for (int i = 0; env != NULL && i < count; i++) {
		env[i] = strdup(words[i]);
		if (env[i] == NULL)
			return NULL;
		told |= strncmp(words[i], "container=", 10) == 0;
		memset(words[i], 0, strlen(words[i]));
	}
	if (env != NULL && !told)
		env[count] = in_container;
	return env;
}

int verb_exec(int argc, char **argv)
{
	if (argc < 10)
		goto usage;
	int status_fd = parse_number(argv[2]), uid = parse_number(argv[3]), gid = parse_number(argv[4]);
	int tty = strcmp(argv[6], "tty") == 0, native = strcmp(argv[7], "native") == 0;
	int count = parse_number(argv[8]);
	if (status_fd < 3 || uid < 0 || gid < 0 || (!tty && strcmp(argv[6], "pipe") != 0) ||
	    (!native && strcmp(argv[7], "any") != 0) || count < 0 || count > argc - 10)
		goto usage;
	if (fcntl(status_fd, F_SETFD, FD_CLOEXEC) != 0)
		goto usage;

	char **env = take_environment(argv + 9, count);
	if (env == NULL)
		return 1;
	struct program program = { .argv = argv + 9 + count, .envp = env, .tty = tty };

	struct lxc_container *container = lxc_container_new(argv[1], argv[0]);
	if (container == NULL) {
		fprintf(stderr, "cannot open container\n");
		return 1;
	}
	/* Its policy holds beside the filter that this process has already; the start says so in lxc.conf. */
	container->set_config_item(container, "lxc.seccomp.allow_nesting", "1");
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	options.uid = (uid_t)uid;
	options.gid = (gid_t)gid;
	options.initial_cwd = argv[5];
	options.env_policy = LXC_ATTACH_CLEAR_ENV;
	options.extra_env_vars = env;
	options.stdin_fd = STDIN_FILENO;
	options.stdout_fd = STDOUT_FILENO;
	options.stderr_fd = STDERR_FILENO;
	if (!may_run(status_fd) || (native && refuse_other_abis() != 0))
		return 1;
	pid_t pid;
	if (container->attach(container, run_program, &program, &options, &pid) != 0) {
		report(status_fd, "failed", 1);
		return 1;
	}
	/* Only the program may hold the streams: their end tells that it is over. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	signal(SIGPIPE, SIG_IGN); /* Not before attach: the program would inherit it. */
	int status = wait_for(pid, status_fd, report(status_fd, "pid", pid));
	if (status < 0)
		return 1;
	if (WIFSIGNALED(status))
		report(status_fd, "signal", WTERMSIG(status));
	else
		report(status_fd, "exit", WEXITSTATUS(status));
	return 0;

usage:
	fprintf(stderr, "usage: exec <lxcpath> <name> <status fd> <uid> <gid> <cwd> pipe|tty "
			"any|native <count> <KEY=value>... <program>...\n");
	return USAGE;
}
