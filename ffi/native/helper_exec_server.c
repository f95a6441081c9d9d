/*
 * exec
 *
 * A server: runs programs in containers, each in a child of its own, which has liblxc loaded and linked
 * already: that takes longer than all the rest of a child. Standard input is a SOCK_SEQPACKET socket; its
 * end is the server's, what runs goes on. Standard output is closed when all of it has ended, with the server.
 *
 * A packet is a byte and descriptors: the program's status socket (helper_exec.c), and those of its
 * standard streams that the byte says: bit n is stream n. The others are /dev/null.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "helper_exec.h"

enum { STREAMS = 3, FDS_MAX = 1 + STREAMS };

struct packet {
	unsigned char streams;
	int count;
	int fds[FDS_MAX];
};

/* 1, or 0 at the end, or -1. A packet that is not whole has no descriptors. */
static int receive(int server, struct packet *packet)
{
	char control[CMSG_SPACE(sizeof packet->fds)];
	struct iovec data = { .iov_base = &packet->streams, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = control, .msg_controllen = sizeof control };
	packet->count = 0;
	ssize_t got = recvmsg(server, &message, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return (int)got;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return 1;
	packet->count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(packet->fds, CMSG_DATA(header), (size_t)packet->count * sizeof(int));
	return 1;
}

static void close_all(const struct packet *packet)
{
	for (int i = 0; i < packet->count; i++)
		close(packet->fds[i]);
}

/* In the child. All descriptors of the packet are above the standard streams, which are /dev/null. */
static int serve(const struct packet *packet)
{
	int next = 1;
	signal(SIGCHLD, SIG_DFL);
	for (int stream = 0; stream < STREAMS; stream++)
		if ((packet->streams & 1 << stream) != 0 &&
		    (next >= packet->count || dup2(packet->fds[next++], stream) < 0))
			return 1;
	if (next != packet->count)
		return 1;
	for (int i = 1; i < packet->count; i++)
		close(packet->fds[i]);
	return run_asked(packet->fds[0]);
}

int verb_exec(int argc, char **argv)
{
	int type = 0;
	socklen_t length = sizeof type;
	(void)argv;
	if (argc != 0 || getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
	    type != SOCK_SEQPACKET) {
		fprintf(stderr, "usage: exec <packets\n");
		return USAGE;
	}
	int server = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STREAMS);
	int life = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STREAMS);
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (server < 0 || life < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(nothing, STDOUT_FILENO) < 0)
		return 1;
	close(nothing);
	/* It was for this process alone: liblxc is linked, the programs have an environment of their own. */
	unsetenv("LD_BIND_NOW");
	signal(SIGCHLD, SIG_IGN); /* Nobody waits for the children: they tell their ends themselves. */
	struct packet packet;
	int more;
	while ((more = receive(server, &packet)) > 0) {
		if (packet.count > 0 && fork() == 0) {
			close(server);
			close(life);
			_exit(serve(&packet));
		}
		close_all(&packet);
	}
	/* Whoever adopts its children instead may be no good parent. */
	while (wait(NULL) >= 0 || errno == EINTR)
		;
	return more == 0 ? 0 : 1;
}
