/*
 * uevents
 *
 * A server for changes of devices: writes "<action> <path below /sys>" for each that the kernel tells,
 * and "ready" first. Ends when nobody reads any more.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper.h"

enum { KERNEL_GROUP = 1, RECEIVE_BYTES = 4 * 1024 * 1024 };

static int failed(const char *step)
{
	fprintf(stderr, "uevents: %s: %s\n", step, strerror(errno));
	return 1;
}

/* "add@/devices/..." -> "add /devices/..." */
static void print_event(char *message)
{
	char *at = strchr(message, '@');
	if (at == NULL || strchr(message, '\n') != NULL)
		return;
	*at = ' ';
	printf("%s\n", message);
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
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		char message[8192];
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
		if (got < 0 && errno == ENOBUFS) {
			printf("lost /\n");
			fflush(stdout);
		}
		if (got <= 0 || sender.nl_pid != 0)
			continue; /* Only the kernel is believed. */
		message[got] = '\0';
		print_event(message);
	}
}
