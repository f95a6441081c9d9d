/*
 * The event loop of a proxy: one epoll for all listeners and connections. A connection has two ends;
 * what one end sends is kept, at most one piece of it, until the other takes it. File descriptors
 * that come over a unix socket are passed on if the other end is one too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "helper_proxy.h"

enum {
	PIECE = 65536,
	CONTROL = 2048,
	EVENTS = 64,
	/* Clients of a datagram listener at a time, and how long a silent one is remembered. */
	CLIENTS_MAX = 1024,
	CLIENT_SECONDS = 60,
	TICK_MS = 10000,
};

struct piece {
	char *data;
	size_t from, to;
	char *control;
	size_t control_length;
};

struct pair;

/* What an event speaks of: a listener (pair is NULL) or one end of a pair. */
struct end {
	struct pair *pair;
	struct listener *listener;
	int fd;
	unsigned interest;
	int is_unix, is_datagram, is_eof, is_shut;
	/* What came from this end and waits for the other. */
	struct piece waiting;
};

struct pair {
	struct end ends[2];
	struct pair *next, **link;
	/* Of a datagram listener: whom answers go to. */
	struct sockaddr_storage client;
	socklen_t client_length;
	time_t used;
	int is_dead;
};

static int epoll_fd;
static struct pair *pairs;
static struct pair *dead;
/* Pairs with a datagram socket: nothing tells of their end but silence. */
static int clients;
static char buffer[PIECE];

static time_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void watch(struct end *end, unsigned interest)
{
	if (end->fd < 0 || end->interest == interest)
		return;
	struct epoll_event event = { .events = interest, .data.ptr = end };
	/* Without interest it is taken out: a peer that hung up would be told of for ever. */
	int verb = interest == 0 ? EPOLL_CTL_DEL : end->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	epoll_ctl(epoll_fd, verb, end->fd, &event);
	end->interest = interest;
}

static void close_passed(struct piece *piece)
{
	struct msghdr message = { .msg_control = piece->control,
				  .msg_controllen = piece->control_length };
	for (struct cmsghdr *one = piece->control == NULL ? NULL : CMSG_FIRSTHDR(&message);
	     one != NULL; one = CMSG_NXTHDR(&message, one)) {
		if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(one) + i * sizeof(int), sizeof fd);
			close(fd);
		}
	}
	free(piece->control);
	piece->control = NULL;
	piece->control_length = 0;
}

static int is_mortal(const struct pair *pair)
{
	return pair->ends[0].is_datagram || pair->ends[1].is_datagram;
}

static void drop(struct pair *pair)
{
	if (pair->is_dead)
		return;
	pair->is_dead = 1;
	for (int i = 0; i < 2; i++) {
		struct end *end = &pair->ends[i];
		/* The first end of a datagram client is the listener's own socket. */
		if (end->fd >= 0 && !(i == 0 && pair->client_length > 0))
			close(end->fd);
		close_passed(&end->waiting);
		free(end->waiting.data);
		end->waiting.data = NULL;
	}
	if (is_mortal(pair))
		clients--;
	*pair->link = pair->next;
	if (pair->next != NULL)
		pair->next->link = pair->link;
	/* Events of this round may still speak of it. */
	pair->next = dead;
	dead = pair;
}

static void free_dead(void)
{
	while (dead != NULL) {
		struct pair *next = dead->next;
		free(dead);
		dead = next;
	}
}

static struct pair *add_pair(struct listener *listener, int first, int second)
{
	struct pair *pair = calloc(1, sizeof *pair);
	if (pair == NULL)
		return NULL;
	int fds[2] = { first, second };
	const struct endpoint *kinds[2] = { &listener->listen, &listener->connect };
	for (int i = 0; i < 2; i++) {
		pair->ends[i].pair = pair;
		pair->ends[i].fd = fds[i];
		pair->ends[i].is_unix = kinds[i]->address.any.sa_family == AF_UNIX;
		pair->ends[i].is_datagram = kinds[i]->type == SOCK_DGRAM;
	}
	clients += is_mortal(pair);
	pair->used = now();
	pair->next = pairs;
	pair->link = &pairs;
	if (pairs != NULL)
		pairs->link = &pair->next;
	pairs = pair;
	return pair;
}

/* @returns the socket, connected or on its way; -1 with a line in the log. */
static int connect_to(const struct endpoint *to)
{
	int fd = socket(to->address.any.sa_family, to->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, &to->address.any, to->length) == 0 || errno == EINPROGRESS)
		return fd;
	fprintf(stderr, "cannot connect: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A listener for both families names clients of IPv4 by addresses of IPv6. */
static void unmap(struct sockaddr_storage *address)
{
	struct sockaddr_in6 v6 = *(struct sockaddr_in6 *)address;
	struct sockaddr_in *v4 = (void *)address;
	if (v6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
		return;
	v4->sin_family = AF_INET;
	v4->sin_port = v6.sin6_port;
	memcpy(&v4->sin_addr, &v6.sin6_addr.s6_addr[12], sizeof v4->sin_addr);
}

static int address_text(const struct sockaddr_storage *address, char *text, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	if (address->ss_family == AF_INET)
		return inet_ntop(AF_INET, &v4->sin_addr, text, (socklen_t)size) == NULL ? -1 :
										  ntohs(v4->sin_port);
	if (address->ss_family == AF_INET6)
		return inet_ntop(AF_INET6, &v6->sin6_addr, text, (socklen_t)size) == NULL ?
			       -1 :
			       ntohs(v6->sin6_port);
	return -1;
}

/* Who the client is, in version 1 of the PROXY protocol, as the first piece for the other end. */
static void announce(struct pair *pair)
{
	struct sockaddr_storage from, to;
	socklen_t from_length = sizeof from, to_length = sizeof to;
	char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	char *line = malloc(PIECE);
	if (line == NULL)
		return;
	int fd = pair->ends[0].fd, source_port = -1, target_port = -1;
	if (getpeername(fd, (void *)&from, &from_length) == 0 &&
	    getsockname(fd, (void *)&to, &to_length) == 0) {
		unmap(&from);
		unmap(&to);
		source_port = address_text(&from, source, sizeof source);
		target_port = address_text(&to, target, sizeof target);
	}
	int length = source_port < 0 || target_port < 0 ?
			     snprintf(line, PIECE, "PROXY UNKNOWN\r\n") :
			     snprintf(line, PIECE, "PROXY TCP%d %s %s %d %d\r\n",
				      from.ss_family == AF_INET ? 4 : 6, source, target, source_port,
				      target_port);
	pair->ends[0].waiting.data = line;
	pair->ends[0].waiting.to = (size_t)length;
}

static struct end *other_of(struct end *end)
{
	struct pair *pair = end->pair;
	return end == &pair->ends[0] ? &pair->ends[1] : &pair->ends[0];
}

/* Each end is asked for what it can do now. */
static void settle(struct pair *pair)
{
	for (int i = 0; i < 2 && !pair->is_dead; i++) {
		struct end *end = &pair->ends[i], *other = other_of(end);
		if (i == 0 && pair->client_length > 0)
			continue; /* The listener reads for it. */
		int can_read = !end->is_eof && end->waiting.data == NULL;
		int must_write = other->waiting.data != NULL;
		watch(end, (can_read ? EPOLLIN : 0U) | (must_write ? EPOLLOUT : 0U));
		if (other->is_eof && other->waiting.data == NULL && !end->is_shut) {
			shutdown(end->fd, SHUT_WR);
			end->is_shut = 1;
		}
	}
	int is_over = pair->ends[0].is_eof && pair->ends[1].is_eof &&
		      pair->ends[0].waiting.data == NULL && pair->ends[1].waiting.data == NULL;
	if (is_over)
		drop(pair);
}

/* Send what waits from `end` to the other. @returns -1 if the other is gone. */
static int flush(struct end *end)
{
	struct piece *piece = &end->waiting;
	struct end *to = other_of(end);
	struct pair *pair = end->pair;
	while (piece->data != NULL) {
		struct iovec data = { piece->data + piece->from, piece->to - piece->from };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
					  .msg_control = piece->control,
					  .msg_controllen = piece->control_length };
		if (to == &pair->ends[0] && pair->client_length > 0) {
			message.msg_name = &pair->client;
			message.msg_namelen = pair->client_length;
		}
		ssize_t sent = sendmsg(to->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return 0;
		if (sent < 0 && !(to->is_datagram && errno != EPIPE))
			return -1;
		close_passed(piece);
		piece->from += sent < 0 ? 0 : (size_t)sent;
		if (to->is_datagram || piece->from == piece->to) {
			if (piece->data != buffer)
				free(piece->data);
			memset(piece, 0, sizeof *piece);
		}
	}
	return 0;
}

/* Hand over what is in the buffer; what the other end does not take now is kept. */
static int pass(struct end *end, size_t length, const struct msghdr *message)
{
	struct piece *piece = &end->waiting;
	*piece = (struct piece){ .data = buffer, .to = length };
	if (message != NULL && message->msg_controllen > 0) {
		piece->control = malloc(message->msg_controllen);
		if (piece->control != NULL) {
			memcpy(piece->control, message->msg_control, message->msg_controllen);
			piece->control_length = message->msg_controllen;
		}
	}
	int failed = flush(end);
	if (piece->data != buffer)
		return failed;
	size_t left = piece->to - piece->from;
	piece->data = failed != 0 ? NULL : malloc(left);
	if (piece->data == NULL)
		return -1;
	memcpy(piece->data, buffer + piece->from, left);
	piece->from = 0;
	piece->to = left;
	return 0;
}

static int take(struct end *end)
{
	char control[CONTROL];
	struct iovec data = { buffer, sizeof buffer };
	int passes = end->is_unix && other_of(end)->is_unix;
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = passes ? control : NULL,
				  .msg_controllen = passes ? sizeof control : 0 };
	ssize_t length = recvmsg(end->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0)
		return errno == EAGAIN || errno == EINTR || end->is_datagram ? 0 : -1;
	end->pair->used = now();
	if (length == 0 && !end->is_datagram) {
		end->is_eof = 1;
		return end->pair->client_length > 0 ? -1 : 0;
	}
	return pass(end, (size_t)length, &message);
}

static void on_end(struct end *end, unsigned events)
{
	struct pair *pair = end->pair;
	int failed = 0;
	if (events & EPOLLOUT)
		failed = flush(other_of(end)) != 0;
	if (!failed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !end->is_eof &&
	    end->waiting.data == NULL)
		failed = take(end) != 0;
	if (failed)
		drop(pair);
	else
		settle(pair);
}

static void on_stream(struct relay *relay, struct listener *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			usleep(10000); /* Nothing is free: the queue of the kernel waits with us. */
		return;
	}
	int target = connect_to(&listener->connect);
	struct pair *pair = target < 0 ? NULL : add_pair(listener, fd, target);
	if (pair == NULL) {
		close(fd);
		if (target >= 0)
			close(target);
		return;
	}
	if (relay->announce)
		announce(pair);
	settle(pair);
}

static struct pair *find_client(int fd, const struct sockaddr_storage *client, socklen_t length)
{
	for (struct pair *pair = pairs; pair != NULL; pair = pair->next)
		if (pair->client_length == length && pair->ends[0].fd == fd &&
		    memcmp(&pair->client, client, length) == 0)
			return pair;
	return NULL;
}

static void on_datagram(struct listener *listener)
{
	struct sockaddr_storage client = { 0 };
	socklen_t length = sizeof client;
	ssize_t size = recvfrom(listener->fd, buffer, sizeof buffer, MSG_DONTWAIT, (void *)&client,
				&length);
	if (size < 0)
		return;
	struct pair *pair = find_client(listener->fd, &client, length);
	if (pair == NULL) {
		int target = clients < CLIENTS_MAX ? connect_to(&listener->connect) : -1;
		if (target < 0)
			return;
		pair = add_pair(listener, listener->fd, target);
		if (pair == NULL) {
			close(target);
			return;
		}
		pair->client = client;
		pair->client_length = length;
	}
	pair->used = now();
	if (pair->ends[0].waiting.data != NULL)
		return; /* Datagrams may get lost. */
	if (pass(&pair->ends[0], (size_t)size, NULL) != 0)
		drop(pair);
	else
		settle(pair);
}

static void forget_silent_clients(void)
{
	time_t limit = now() - CLIENT_SECONDS;
	for (struct pair *pair = pairs, *next; pair != NULL; pair = next) {
		next = pair->next;
		int is_left = pair->client_length > 0 || pair->ends[0].is_eof || pair->ends[1].is_eof;
		if (is_mortal(pair) && is_left && pair->used < limit)
			drop(pair);
	}
}

void run_relay(struct relay *relay)
{
	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event over = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, relay->pidfd, &over);
	struct end *ends = calloc((size_t)relay->count, sizeof *ends);
	if (epoll_fd < 0 || ends == NULL)
		_exit(1);
	for (int i = 0; i < relay->count; i++) {
		ends[i].listener = &relay->listeners[i];
		ends[i].fd = relay->listeners[i].fd;
		watch(&ends[i], EPOLLIN);
	}
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(epoll_fd, events, EVENTS, clients > 0 ? TICK_MS : -1);
		for (int i = 0; i < count; i++) {
			struct end *end = events[i].data.ptr;
			if (end == NULL)
				_exit(0); /* The instance has ended. */
			if (end->pair == NULL) {
				if (end->listener->listen.type == SOCK_DGRAM)
					on_datagram(end->listener);
				else
					on_stream(relay, end->listener);
			} else if (!end->pair->is_dead) {
				on_end(end, events[i].events);
			}
		}
		free_dead();
		forget_silent_clients();
	}
}
