/*
 * Run a program in a container, for the server (helper_exec_server.c). On the status socket comes what is
 * wanted: the length of a text in four bytes, and the text, words that each end with NUL:
 *   <lxcpath> <name> <uid> <gid> <cwd> pipe|tty any|native <count> <KEY=value>... <program>...
 * `tty` makes standard input its controlling terminal (whoever made it has given it to the user);
 * `native`: no 32-bit programs.
 * A byte after that lets the program run; if the end comes instead, it does not. Each further byte is a
 * signal for it. At the end a line goes out:
 *   exit <n> | signal <n> | failed <n>
 * A program whose status nobody can read any more (the daemon was killed) is killed.
 * A program that is missing ends with 127, one that can't be run with 126.
 */
#include <errno.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "helper_exec.h"

/* More than the kernel gives to any program. */
enum { REQUEST_MAX = 8 << 20 };

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

/* All of them, or false. */
static int read_all(int fd, void *into, size_t length)
{
	for (char *at = into; length > 0;) {
		ssize_t got = read(fd, at, length);
		if (got <= 0 && !(got < 0 && errno == EINTR))
			return 0;
		at += got > 0 ? got : 0;
		length -= got > 0 ? (size_t)got : 0;
	}
	return 1;
}

/* Pass on what signals come; false when nobody is there any more. The program is not reaped yet: the pid is its own. */
static int pass_signal(int status_fd, pid_t pid)
{
	unsigned char number;
	ssize_t got = read(status_fd, &number, 1);
	if (got == 1)
		kill(pid, number);
	return got == 1 || (got < 0 && errno == EINTR);
}

/* Wait for the end of the program. When nobody listens any more, its session is over: kill it. */
static int wait_for(pid_t pid, int status_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status, listened = 1;
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN },
				   { .fd = status_fd, .events = POLLIN } };
	while (pidfd >= 0 && listened && polled[0].revents == 0) {
		if (poll(polled, 2, -1) < 0) {
			if (errno != EINTR)
				break;
		} else if (polled[1].revents != 0) {
			listened = pass_signal(status_fd, pid);
		}
	}
	if (!listened)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* What is wanted, as words; the text stays theirs. NULL if it is not whole. */
static char **receive_words(int status_fd, int *count)
{
	uint32_t length;
	if (!read_all(status_fd, &length, sizeof length) || length == 0 || length > REQUEST_MAX)
		return NULL;
	char *text = malloc(length);
	if (text == NULL || !read_all(status_fd, text, length) || text[length - 1] != '\0')
		return NULL;
	*count = 0;
	for (uint32_t i = 0; i < length; i++)
		*count += text[i] == '\0';
	char **words = calloc((size_t)*count + 1, sizeof *words);
	for (int i = 0; words != NULL && i < *count; i++) {
		words[i] = text;
		text += strlen(text) + 1;
	}
	return words;
}

struct request {
	const char *lxcpath, *name;
	char *cwd;
	int uid, gid, native;
	struct program program;
};

/* Programs see that they are in a container, as init does, unless the caller says otherwise. */
static char **environment(char **words, int count)
{
	static char in_container[] = "container=lxc";
	char **env = calloc((size_t)count + 2, sizeof *env);
	int told = 0;
	for (int i = 0; env != NULL && i < count; i++) {
		env[i] = words[i];
		told |= strncmp(words[i], "container=", 10) == 0;
	}
	if (env != NULL && !told)
		env[count] = in_container;
	return env;
}

/* False: it makes no sense. */
static int parse_request(char **words, int count, struct request *request)
{
	if (count < 9)
		return 0;
	int tty = strcmp(words[5], "tty") == 0, variables = parse_number(words[7]);
	request->lxcpath = words[0];
	request->name = words[1];
	request->uid = parse_number(words[2]);
	request->gid = parse_number(words[3]);
	request->cwd = words[4];
	request->native = strcmp(words[6], "native") == 0;
	if (request->uid < 0 || request->gid < 0 || (!tty && strcmp(words[5], "pipe") != 0) ||
	    (!request->native && strcmp(words[6], "any") != 0) || variables < 0 || variables > count - 9)
		return 0;
	char **env = environment(words + 8, variables);
	if (env == NULL)
		return 0;
	request->program = (struct program){ .argv = words + 8 + variables, .envp = env, .tty = tty };
	return 1;
}

static pid_t attach(struct lxc_container *container, struct request *request)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	options.uid = (uid_t)request->uid;
	options.gid = (gid_t)request->gid;
	options.initial_cwd = request->cwd;
	options.env_policy = LXC_ATTACH_CLEAR_ENV;
	options.extra_env_vars = request->program.envp;
	options.stdin_fd = STDIN_FILENO;
	options.stdout_fd = STDOUT_FILENO;
	options.stderr_fd = STDERR_FILENO;
	pid_t pid;
	return container->attach(container, run_program, &request->program, &options, &pid) == 0 ? pid : -1;
}

int run_asked(int status_fd)
{
	struct request request;
	char go;
	int count;
	char **words = receive_words(status_fd, &count);
	if (words == NULL || !parse_request(words, count, &request))
		return 1;
	/* All that can be done before is done: the caller says when. */
	struct lxc_container *container = lxc_container_new(request.name, request.lxcpath);
	if (container == NULL)
		return 1;
	/* Its policy holds beside the filter that this process has already; the start says so in lxc.conf. */
	container->set_config_item(container, "lxc.seccomp.allow_nesting", "1");
	if (!read_all(status_fd, &go, 1) || (request.native && refuse_other_abis() != 0))
		return 1;
	pid_t pid = attach(container, &request);
	if (pid < 0) {
		report(status_fd, "failed", 1);
		return 1;
	}
	/* Only the program may hold the streams: their end tells that it is over. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	signal(SIGPIPE, SIG_IGN); /* Not before attach: the program would inherit it. */
	int status = wait_for(pid, status_fd);
	if (status < 0)
		return 1;
	if (WIFSIGNALED(status))
		report(status_fd, "signal", WTERMSIG(status));
	else
		report(status_fd, "exit", WEXITSTATUS(status));
	/* Signals that come too late must be read: a socket that is closed with something in it takes back what it said. */
	char late;
	shutdown(status_fd, SHUT_WR);
	while (read_all(status_fd, &late, 1))
		;
	return 0;
}
