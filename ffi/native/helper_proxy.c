/*
 * proxy <pid file> <log> <init pid> host|instance <uid> <gid> <mode> <security.uid> <security.gid>
 *       plain|header <count> (<listen> <connect>)...
 *
 * Listen on one side of an instance's namespaces and connect on the other. Once all sockets listen, a
 * process of its own goes on in the background, in no need of the daemon; it ends with the instance's
 * init. It connects as security.uid and security.gid, and where it connects inside, as nobody more
 * than the instance's user namespace allows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "helper_proxy.h"

enum { LISTENERS_MAX = 4096, BACKLOG = 128 };

struct settings {
	int init, inside, uid, gid, mode, run_uid, run_gid;
};

static int fail(const char *what, const char *which)
{
	fprintf(stderr, "%s %s: %s\n", what, which, strerror(errno));
	return -1;
}

/* "1.2.3.4:80" or "[::1]:80". */
static int parse_ip(char *text, struct endpoint *out)
{
	char *colon = strrchr(text, ':');
	int port = colon == NULL ? -1 : parse_number(colon + 1);
	if (port < 1 || port > 65535)
		return -1;
	*colon = '\0';
	size_t length = strlen(text);
	struct sockaddr_in *v4 = (void *)&out->address;
	struct sockaddr_in6 *v6 = (void *)&out->address;
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((unsigned short)port);
		out->length = sizeof *v6;
		return inet_pton(AF_INET6, text + 1, &v6->sin6_addr) == 1 ? 0 : -1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((unsigned short)port);
	out->length = sizeof *v4;
	return inet_pton(AF_INET, text, &v4->sin_addr) == 1 ? 0 : -1;
}

static int parse_endpoint(const char *text, struct endpoint *out)
{
	memset(out, 0, sizeof *out);
	if (strncmp(text, "unix:", 5) == 0) {
		const char *path = text + 5;
		size_t length = strlen(path);
		struct sockaddr_un *un = &out->address.un;
		if (length < 2 || length >= sizeof un->sun_path)
			return -1;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, path, length);
		out->type = SOCK_STREAM;
		out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
		if (path[0] == '@')
			un->sun_path[0] = '\0'; /* The length tells the end of an abstract name. */
		else
			out->length++;
		return 0;
	}
	char copy[128];
	if (strncmp(text, "tcp:", 4) == 0)
		out->type = SOCK_STREAM;
	else if (strncmp(text, "udp:", 4) == 0)
		out->type = SOCK_DGRAM;
	else
		return -1;
	if (strlen(text + 4) >= sizeof copy)
		return -1;
	strcpy(copy, text + 4);
	return parse_ip(copy, out);
}

static int is_path(const struct endpoint *endpoint)
{
	return endpoint->address.any.sa_family == AF_UNIX && endpoint->address.un.sun_path[0] != '\0';
}

static int is_wildcard(const struct endpoint *endpoint)
{
	const struct sockaddr_in *v4 = (const void *)&endpoint->address;
	const struct sockaddr_in6 *v6 = (const void *)&endpoint->address;
	return (v4->sin_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY)) ||
	       (v6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr));
}

/* Each address of IPv4 and of IPv6, whichever of the two names it. */
static void to_both_families(struct endpoint *endpoint)
{
	struct sockaddr_in *v4 = (void *)&endpoint->address;
	struct sockaddr_in6 *v6 = (void *)&endpoint->address;
	if (v4->sin_family != AF_INET)
		return;
	in_port_t port = v4->sin_port;
	memset(v6, 0, sizeof *v6);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	endpoint->length = sizeof *v6;
}

static int listen_on(const struct endpoint *wanted, const struct settings *settings,
		     const char *name)
{
	struct endpoint copy = *wanted;
	const struct endpoint *at = &copy;
	int kind = wanted->type | SOCK_CLOEXEC | SOCK_NONBLOCK, one = 1, zero = 0;
	if (is_wildcard(wanted))
		to_both_families(&copy);
	int fd = socket(at->address.any.sa_family, kind, 0);
	if (fd < 0 && errno == EAFNOSUPPORT) { /* A kernel without IPv6. */
		copy = *wanted;
		fd = socket(at->address.any.sa_family, kind, 0);
	}
	if (fd < 0)
		return fail("cannot make a socket for", name);
	int family = at->address.any.sa_family;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_wildcard(at) ? &zero : &one, sizeof one);
	struct stat info;
	const char *path = at->address.un.sun_path;
	/* One that a killed proxy left; anything else stays. */
	if (is_path(at) && lstat(path, &info) == 0 && S_ISSOCK(info.st_mode))
		unlink(path);
	if (bind(fd, &at->address.any, at->length) != 0)
		return fail("cannot listen on", name);
	if (is_path(at) && (lchown(path, (uid_t)settings->uid, (gid_t)settings->gid) != 0 ||
			    chmod(path, (mode_t)settings->mode) != 0))
		return fail("cannot give away", name);
	if (at->type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
		return fail("cannot listen on", name);
	return fd;
}

/* All files are opened before the root changes: /proc of the instance is not ours. */
static int enter(int init)
{
	static const char *const kinds[] = { "user", "net", "mnt" };
	int fds[3];
	for (int i = 0; i < 3; i++) {
		char path[64], own[64];
		struct stat theirs, ours;
		snprintf(path, sizeof path, "/proc/%d/ns/%s", init, kinds[i]);
		snprintf(own, sizeof own, "/proc/self/ns/%s", kinds[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return fail("cannot open", path);
		if (fstat(fds[i], &theirs) == 0 && stat(own, &ours) == 0 &&
		    theirs.st_ino == ours.st_ino) {
			close(fds[i]);
			fds[i] = -1; /* A privileged instance has no user namespace of its own. */
		}
	}
	/* With the rights of the host all are open; the user namespace takes these away, so it is last. */
	for (int i = 1; i <= 3; i++)
		if (fds[i % 3] >= 0 && setns(fds[i % 3], 0) != 0)
			return fail("cannot join namespace", kinds[i % 3]);
	return 0;
}

static int become(int uid, int gid)
{
	gid_t group = (gid_t)gid;
	if (setgroups(1, &group) != 0 || setresgid(group, group, group) != 0 ||
	    setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0)
		return fail("cannot become", "security.uid and security.gid");
	return 0;
}

static int send_fd(int channel, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof control };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	return sendmsg(channel, &message, 0) == 1 ? 0 : -1;
}

static int receive_fd(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof control };
	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = -1;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd;
}

/* A child makes the sockets inside and hands them over; this process never was in there. */
static int listen_inside(struct listener *listeners, int count, const struct settings *settings,
			 char **names)
{
	int channel[2], status;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
		return fail("cannot make", "a socket pair");
	pid_t child = fork();
	if (child < 0)
		return fail("cannot", "fork");
	if (child == 0) {
		if (enter(settings->init) != 0 || become(0, 0) != 0)
			_exit(1);
		for (int i = 0; i < count; i++) {
			int fd = listen_on(&listeners[i].listen, settings, names[2 * i]);
			if (fd < 0 || send_fd(channel[1], fd) != 0)
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	close(channel[1]);
	int missing = 0;
	for (int i = 0; i < count; i++)
		if ((listeners[i].fd = receive_fd(channel[0])) < 0)
			missing = 1;
	close(channel[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return missing ? -1 : 0;
}

static int listen_all(struct listener *listeners, int count, const struct settings *settings,
		      char **names)
{
	if (settings->inside)
		return listen_inside(listeners, count, settings, names);
	for (int i = 0; i < count; i++)
		if ((listeners[i].fd = listen_on(&listeners[i].listen, settings, names[2 * i])) < 0)
			return -1;
	return 0;
}

/* The parent's end tells the daemon that all listen; the child writes its own pid first. */
static int go_background(const char *pid_file, const char *log)
{
	int ready[2];
	if (pipe2(ready, O_CLOEXEC) != 0)
		return fail("cannot make", "a pipe");
	pid_t child = fork();
	if (child < 0)
		return fail("cannot", "fork");
	if (child > 0) {
		char byte;
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
	setsid();
	FILE *file = fopen(pid_file, "we");
	if (file == NULL || fprintf(file, "pid: %d\n", (int)getpid()) < 0 || fclose(file) != 0)
		return fail("cannot write", pid_file);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (null < 0 || out < 0)
		return fail("cannot open", log);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	return ready[1];
}

static int parse_settings(char **argv, struct settings *out)
{
	out->init = parse_number(argv[2]);
	out->inside = strcmp(argv[3], "instance") == 0;
	out->uid = parse_number(argv[4]);
	out->gid = parse_number(argv[5]);
	out->mode = parse_number(argv[6]);
	out->run_uid = parse_number(argv[7]);
	out->run_gid = parse_number(argv[8]);
	return out->init > 1 && (out->inside || strcmp(argv[3], "host") == 0) && out->uid >= 0 &&
	       out->gid >= 0 && out->mode >= 0 && out->run_uid >= 0 && out->run_gid >= 0;
}

int verb_proxy(int argc, char **argv)
{
	struct settings settings;
	struct relay relay = { 0 };
	if (argc < 13 || !parse_settings(argv, &settings))
		goto usage;
	relay.announce = strcmp(argv[9], "header") == 0;
	relay.count = parse_number(argv[10]);
	if (relay.count < 1 || relay.count > LISTENERS_MAX || argc != 11 + 2 * relay.count)
		goto usage;
	relay.listeners = calloc((size_t)relay.count, sizeof *relay.listeners);
	if (relay.listeners == NULL)
		return 1;
	for (int i = 0; i < relay.count; i++) {
		struct listener *one = &relay.listeners[i];
		if (parse_endpoint(argv[11 + 2 * i], &one->listen) != 0 ||
		    parse_endpoint(argv[12 + 2 * i], &one->connect) != 0)
			goto usage;
	}
	/* Held before anything else: the pid may not become another process's. */
	relay.pidfd = (int)syscall(SYS_pidfd_open, settings.init, 0);
	if (relay.pidfd < 0)
		return fail("cannot watch", argv[2]) != 0;
	if (listen_all(relay.listeners, relay.count, &settings, argv + 11) != 0)
		return 1;
	int ready = go_background(argv[0], argv[1]);
	if (ready < 0)
		return 1;
	if (!settings.inside && enter(settings.init) != 0)
		return 1;
	if (become(settings.run_uid, settings.run_gid) != 0)
		return 1;
	prctl(PR_SET_DUMPABLE, 0);
	if (write(ready, "", 1) != 1)
		return 1;
	close(ready);
	run_relay(&relay);

usage:
	fprintf(stderr, "usage: proxy <pid file> <log> <init pid> host|instance <uid> <gid> <mode> "
			"<security.uid> <security.gid> plain|header <count> (<listen> <connect>)...\n");
	return USAGE;
}
