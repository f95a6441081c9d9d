/*
 * uevents
 *
 * A server for changes of devices: writes what the kernel tells of each, "<action>@<path below /sys>" and
 * variables "KEY=value", each ended by NUL, with one more NUL behind the last. "ready" comes first, and
 * "lost" where some were lost. Ends when nobody reads any more.
 *
 * uevent <pid> <part>...
 *
 * Tell one of them to those who listen in the network namespace of a process; the kernel numbers it anew.
 * Where it tells by itself, in what the first user namespace owns, that is not done, and not in the own
 * one: who listens there has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

/* FIRST_USERNS: its number in nsfs, include/linux/proc_ns.h. MESSAGE_BYTES: most that the kernel sends or takes. */
enum { KERNEL_GROUP = 1, RECEIVE_BYTES = 4 * 1024 * 1024, MESSAGE_BYTES = 2048 };
static const ino_t FIRST_USERNS = 0xEFFFFFFD;

static int failed(const char *step)
{
	fprintf(stderr, "uevent: %s: %s\n", step, strerror(errno));
	return 1;
}

static void print_message(const char *parts, size_t bytes)
{
	fwrite(parts, 1, bytes, stdout);
	putchar('\0');
	fflush(stdout);
}

int verb_uevents(int argc, char **argv)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int size = RECEIVE_BYTES;
	(void)argv;
	if (argc != 0)
		return USAGE;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return failed("open netlink");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return failed("bind netlink");
	print_message("ready", sizeof "ready");
	for (;;) {
		char message[4 * MESSAGE_BYTES];
		struct pollfd polled[] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			return failed("poll");
		if (polled[1].revents != 0)
			return 0;
		struct sockaddr_nl sender;
		socklen_t length = sizeof sender;
		ssize_t got = recvfrom(fd, message, sizeof message - 1, MSG_DONTWAIT,
				       (struct sockaddr *)&sender, &length);
		/* ENOBUFS: some were lost; any event makes the daemon look at everything anew. */
		if (got < 0 && errno == ENOBUFS)
			print_message("lost", sizeof "lost");
		if (got <= 0 || sender.nl_pid != 0)
			continue; /* Only the kernel is believed. */
		message[got] = '\0';
		print_message(message, message[got - 1] == '\0' ? (size_t)got : (size_t)got + 1);
	}
}

/* Has who listens in this network namespace heard of it already? -1: it can't be known. */
static int is_told(int namespace)
{
	struct stat theirs, own, owner;
	int fd = ioctl(namespace, NS_GET_USERNS);
	/* EPERM: its owner is above the own user namespace. */
	if (fd < 0 && errno == EPERM)
		return 1;
	if (fd < 0 || fstat(namespace, &theirs) != 0 || stat("/proc/self/ns/net", &own) != 0 ||
	    fstat(fd, &owner) != 0)
		return -1;
	close(fd);
	return owner.st_ino == FIRST_USERNS || theirs.st_ino == own.st_ino;
}

static int send_message(int fd, const void *message, size_t bytes)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr result;
		char rest[MESSAGE_BYTES];
	} answer;
	if (send(fd, message, bytes, 0) < 0)
		return -1;
	if (recv(fd, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.head + sizeof answer.result.error))
		return -1;
	errno = -answer.result.error;
	/* ESRCH: nobody listens. */
	return answer.head.nlmsg_type == NLMSG_ERROR && (errno == 0 || errno == ESRCH) ? 0 : -1;
}

int verb_uevent(int argc, char **argv)
{
	struct {
		struct nlmsghdr head;
		char parts[MESSAGE_BYTES];
	} message = { { 0, NLMSG_MIN_TYPE, NLM_F_REQUEST | NLM_F_ACK, 1, 0 }, "" };
	char path[64];
	size_t bytes = 0;
	int pid = argc > 1 ? parse_number(argv[0]) : -1;
	if (pid < 2)
		return USAGE;
	for (int i = 1; i < argc; i++) {
		size_t length = strlen(argv[i]) + 1;
		if (length > sizeof message.parts - bytes)
			return USAGE;
		memcpy(message.parts + bytes, argv[i], length);
		bytes += length;
	}
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	int told = namespace < 0 ? -1 : is_told(namespace);
	if (told != 0)
		return told > 0 ? 0 : failed("find its network");
	if (setns(namespace, CLONE_NEWNET) != 0)
		return failed("enter its network");
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	message.head.nlmsg_len = (unsigned)NLMSG_LENGTH(bytes);
	if (fd < 0 || send_message(fd, &message, message.head.nlmsg_len) != 0)
		return failed("tell");
	return 0;
}
