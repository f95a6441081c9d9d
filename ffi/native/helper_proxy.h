/* What the two halves of the proxy share: sockets and addresses (helper_proxy.c), and the relay. */
#ifndef LXD_HELPER_PROXY_H
#define LXD_HELPER_PROXY_H

#include <sys/socket.h>
#include <sys/un.h>

/* Where to listen or to connect: "tcp:1.2.3.4:80", "udp:[::1]:53", "unix:/path", "unix:@name". */
struct endpoint {
	int type; /* SOCK_STREAM or SOCK_DGRAM */
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
		struct sockaddr_un un;
	} address;
};

struct listener {
	int fd;
	struct endpoint listen;
	struct endpoint connect;
};

struct relay {
	struct listener *listeners;
	int count;
	/* Send the header of the PROXY protocol before anything else. */
	int announce;
	/* Ends the relay when the process behind this pidfd ends. */
	int pidfd;
};

/* Relay until the instance ends. Never returns. */
void run_relay(struct relay *relay) __attribute__((noreturn));

#endif
