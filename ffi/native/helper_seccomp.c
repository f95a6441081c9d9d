/*
 * seccomp <socket>
 *
 * A server for system calls that containers may not do themselves and that are harmless when looked at
 * one by one. liblxc's monitors connect to <socket> and send each call that the filter of a container
 * stops; the answer is a result, an error, or "go on" (the kernel then decides as without us). The cookie
 * of a message names the policy file of the container: words between white space.
 *
 *   mknod  setxattr  sched_setscheduler  mount:<file system>  fuse:<file system>=<program>  shift
 *
 * One process for each container. What a call names is looked up as the caller would: in its mount
 * namespace, from its root and directory. A monitor waits for its answer, so every call is answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "helper_seccomp.h"

enum { COOKIE_MAX = 4096, LISTEN_BACKLOG = 64 };

/* What liblxc puts before each call; from its documentation of lxc.seccomp.notify.proxy. */
struct proxy_header {
	uint64_t reserved;
	pid_t monitor_pid;
	pid_t init_pid;
	struct seccomp_notif_sizes sizes;
	uint64_t cookie_length;
};

struct message {
	struct proxy_header header;
	struct seccomp_notif request;
	struct seccomp_notif_resp response;
	char cookie[COOKIE_MAX];
};

/* Receives a call with the directory in /proc and the memory of its caller. */
static ssize_t receive(int fd, struct message *message, struct caller *caller)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec parts[] = {
		{ &message->header, sizeof message->header },
		{ &message->request, sizeof message->request },
		{ &message->response, sizeof message->response },
		{ message->cookie, sizeof message->cookie - 1 },
	};
	struct msghdr header = { .msg_iov = parts,
				 .msg_iovlen = 4,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	caller->proc = caller->memory = -1;
	memset(message, 0, sizeof *message);
	ssize_t got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int passed;
			memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof passed);
			if (i == 0)
				caller->proc = passed;
			else if (i == 1)
				caller->memory = passed;
			else
				close(passed);
		}
	}
	return got;
}

/* The policy is read for each call: a change counts at once. */
static void read_policy(const char *path, char *policy, size_t size)
{
	policy[0] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = fd < 0 ? -1 : read(fd, policy, size - 1);
	if (got >= 0)
		policy[got] = '\0';
	if (fd >= 0)
		close(fd);
}

int policy_has(const char *policy, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = policy; (at = strstr(at, word)) != NULL; at += length) {
		int begins = at == policy || strchr(" \n\t", at[-1]) != NULL;
		if (begins && (at[length] == '\0' || strchr(" \n\t", at[length]) != NULL))
			return 1;
	}
	return 0;
}

/* In a child: it enters namespaces. Its exit status is the errno, GO_ON, or 0. */
static int decide(const struct caller *caller, const struct seccomp_notif *request, const char *policy)
{
	int status;
	pid_t child = fork();
	if (child < 0)
		return errno;
	if (child == 0)
		_exit(handle_call(caller, request, policy));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return ENOSYS;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ENOSYS;
}

static void serve(int fd)
{
	static struct message message;
	static char policy[4096];
	struct caller caller;
	const ssize_t fixed = sizeof message.header + sizeof message.request + sizeof message.response;

	while (receive(fd, &message, &caller) >= fixed) {
		caller.pid = (pid_t)message.request.pid;
		caller.init = message.header.init_pid;
		read_policy(message.cookie, policy, sizeof policy);
		int result = caller.memory < 0 ? GO_ON : decide(&caller, &message.request, policy);
		close(caller.proc);
		close(caller.memory);
		message.header.reserved = 0;
		message.response.id = message.request.id;
		message.response.val = 0;
		message.response.error = result == GO_ON ? 0 : -result;
		message.response.flags = result == GO_ON ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
		struct iovec parts[] = {
			{ &message.header, sizeof message.header },
			{ &message.request, sizeof message.request },
			{ &message.response, sizeof message.response },
		};
		struct msghdr header = { .msg_iov = parts, .msg_iovlen = 3 };
		if (sendmsg(fd, &header, MSG_NOSIGNAL) < 0)
			return;
	}
}

int verb_seccomp(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (argc != 1 || strlen(argv[0]) >= sizeof address.sun_path) {
		fprintf(stderr, "usage: seccomp <socket>\n");
		return USAGE;
	}
	signal(SIGCHLD, SIG_DFL);
	strcpy(address.sun_path, argv[0]);
	unlink(argv[0]);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	umask(0177);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(listener, LISTEN_BACKLOG) != 0) {
		fprintf(stderr, "seccomp: listen on %s: %s\n", argv[0], strerror(errno));
		return 1;
	}
	umask(0);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		/* Standard input is the daemon's: its end is ours. Those that serve a container go on. */
		struct pollfd polled[] = { { .fd = listener, .events = POLLIN }, { .fd = STDIN_FILENO } };
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(polled, 2, 60000) < 0 && errno != EINTR)
			return 1;
		if (polled[1].revents != 0)
			return 0;
		if (polled[0].revents == 0)
			continue;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (fork() == 0) {
			close(listener);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}
