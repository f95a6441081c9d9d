/*
 * net
 *
 * A server for the network state of containers: reads a pid per line, enters that process's network
 * namespace and answers with one line of JSON, {} if the process is gone. One process serves all
 * containers, so that a list forks nothing, and two questions to the kernel (rtnetlink(7): links with
 * their counters, then addresses) are all that it asks for each. Ends at the end of standard input.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper.h"

/* More than a container of containers has; pages that are not needed are never there. */
enum { MOST_INTERFACES = 4096, MOST_ADDRESSES = 8192 };

struct interface {
	int index;
	unsigned flags;
	char name[IFNAMSIZ];
	unsigned mtu;
	int hardware_bytes;
	unsigned char hardware[8];
	struct rtnl_link_stats64 counters;
};

struct address {
	int index, family, bits;
	unsigned char ip[16];
};

static struct {
	struct interface interfaces[MOST_INTERFACES];
	struct address addresses[MOST_ADDRESSES];
	int interface_count, address_count;
} found;

static void copy_attribute(const struct rtattr *from, void *to, size_t most)
{
	size_t length = RTA_PAYLOAD(from);
	memcpy(to, RTA_DATA(from), length < most ? length : most);
}

static void take_link(const struct nlmsghdr *message)
{
	const struct ifinfomsg *head = NLMSG_DATA(message);
	int left = (int)IFLA_PAYLOAD(message);
	if (found.interface_count == MOST_INTERFACES)
		return;
	struct interface *one = &found.interfaces[found.interface_count++];
	memset(one, 0, sizeof *one);
	one->index = head->ifi_index;
	one->flags = head->ifi_flags;
	for (const struct rtattr *each = IFLA_RTA(head); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
		if (each->rta_type == IFLA_IFNAME) {
			copy_attribute(each, one->name, sizeof one->name - 1);
		} else if (each->rta_type == IFLA_MTU) {
			copy_attribute(each, &one->mtu, sizeof one->mtu);
		} else if (each->rta_type == IFLA_STATS64) {
			copy_attribute(each, &one->counters, sizeof one->counters);
		} else if (each->rta_type == IFLA_ADDRESS) {
			size_t length = RTA_PAYLOAD(each);
			one->hardware_bytes = (int)(length < sizeof one->hardware ? length : sizeof one->hardware);
			copy_attribute(each, one->hardware, sizeof one->hardware);
		}
	}
}

static void take_address(const struct nlmsghdr *message)
{
	const struct ifaddrmsg *head = NLMSG_DATA(message);
	int left = (int)IFA_PAYLOAD(message), has_local = 0;
	if (found.address_count == MOST_ADDRESSES || (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
		return;
	struct address *one = &found.addresses[found.address_count++];
	memset(one, 0, sizeof *one);
	one->index = (int)head->ifa_index;
	one->family = head->ifa_family;
	one->bits = head->ifa_prefixlen;
	/* Of a point-to-point link the first is the peer's. */
	for (const struct rtattr *each = IFA_RTA(head); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
		if (each->rta_type == IFA_LOCAL || (each->rta_type == IFA_ADDRESS && !has_local))
			copy_attribute(each, one->ip, sizeof one->ip);
		has_local |= each->rta_type == IFA_LOCAL;
	}
}

/* Ask for all of a kind. Returns 0 if the kernel has told all of it. */
static int dump(int fd, int type, void (*take)(const struct nlmsghdr *))
{
	struct {
		struct nlmsghdr head;
		struct rtgenmsg body;
	} request = {
		{ sizeof request, (unsigned short)type, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		{ AF_UNSPEC },
	};
	static char replies[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;
	if (send(fd, &request, sizeof request, 0) < 0)
		return -1;
	while ((got = recv(fd, replies, sizeof replies, 0)) > 0) {
		size_t left = (size_t)got;
		for (struct nlmsghdr *each = (void *)replies; NLMSG_OK(each, left); each = NLMSG_NEXT(each, left)) {
			if (each->nlmsg_type == NLMSG_DONE)
				return 0;
			if (each->nlmsg_type == NLMSG_ERROR)
				return -1;
			take(each);
		}
	}
	return -1;
}

static const char *scope_of(int family, const unsigned char *ip)
{
	if (family == AF_INET)
		return ip[0] == 127 ? "local" : ip[0] == 169 && ip[1] == 254 ? "link" : "global";
	const struct in6_addr *ip6 = (const void *)ip;
	return IN6_IS_ADDR_LOOPBACK(ip6) ? "local" : IN6_IS_ADDR_LINKLOCAL(ip6) ? "link" : "global";
}

static void print_addresses(int index)
{
	const char *comma = "";
	for (int i = 0; i < found.address_count; i++) {
		const struct address *one = &found.addresses[i];
		char text[INET6_ADDRSTRLEN];
		if (one->index != index)
			continue;
		inet_ntop(one->family, one->ip, text, sizeof text);
		printf("%s{\"family\":\"%s\",\"address\":\"%s\",\"netmask\":\"%d\",\"scope\":\"%s\"}", comma,
		       one->family == AF_INET ? "inet" : "inet6", text, one->bits, scope_of(one->family, one->ip));
		comma = ",";
	}
}

static void print_counters(const struct rtnl_link_stats64 *n)
{
	printf("{\"bytes_received\":%" PRIu64 ",\"bytes_sent\":%" PRIu64 ",\"packets_received\":%" PRIu64
	       ",\"packets_sent\":%" PRIu64 ",\"errors_received\":%" PRIu64 ",\"errors_sent\":%" PRIu64
	       ",\"packets_dropped_outbound\":%" PRIu64 ",\"packets_dropped_inbound\":%" PRIu64 "}",
	       (uint64_t)n->rx_bytes, (uint64_t)n->tx_bytes, (uint64_t)n->rx_packets, (uint64_t)n->tx_packets,
	       (uint64_t)n->rx_errors, (uint64_t)n->tx_errors, (uint64_t)n->tx_dropped,
	       (uint64_t)(n->rx_dropped + n->rx_missed_errors));
}

/* Interface names may hold any byte but '/' and white space. */
static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < 32 || (unsigned char)*text > 126 ? '?' : *text);
	}
	putchar('"');
}

static void print_interface(const struct interface *one)
{
	int loopback = (one->flags & IFF_LOOPBACK) != 0;
	print_quoted(one->name);
	printf(":{\"addresses\":[");
	print_addresses(one->index);
	printf("],\"counters\":");
	print_counters(&one->counters);
	printf(",\"hwaddr\":\"");
	for (int i = 0; !loopback && i < one->hardware_bytes; i++)
		printf("%s%02x", i > 0 ? ":" : "", one->hardware[i]);
	printf("\",\"host_name\":\"\",\"mtu\":%u,\"state\":\"%s\",\"type\":\"%s\"}", one->mtu,
	       one->flags & IFF_UP ? "up" : "down",
	       loopback				 ? "loopback" :
	       one->flags & IFF_POINTOPOINT ? "point-to-point" :
	       one->flags & IFF_BROADCAST	 ? "broadcast" :
						   "unknown");
}

static void print_state(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	found.interface_count = found.address_count = 0;
	if (fd < 0)
		return;
	if (dump(fd, RTM_GETLINK, take_link) == 0 && dump(fd, RTM_GETADDR, take_address) == 0)
		for (int i = 0; i < found.interface_count; i++) {
			printf("%s", i > 0 ? "," : "");
			print_interface(&found.interfaces[i]);
		}
	close(fd);
}

static void answer(const char *question)
{
	char path[64];
	int pid = parse_number(question);
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	int fd = pid < 2 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	putchar('{');
	if (fd >= 0 && setns(fd, CLONE_NEWNET) == 0)
		print_state();
	if (fd >= 0)
		close(fd);
	printf("}\n");
}

int verb_net(int argc, char **argv)
{
	char input[4096];
	size_t held = 0;
	ssize_t got;
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	(void)argv;
	if (argc != 0 || own < 0)
		return USAGE;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* What was asked at a time is answered at a time. */
	while ((got = read(STDIN_FILENO, input + held, sizeof input - 1 - held)) > 0) {
		char *line = input, *end;
		input[held + (size_t)got] = '\0';
		for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			answer(line);
		}
		/* The last one's would live, with its interfaces and their addresses, as long as this is in it. */
		if (setns(own, CLONE_NEWNET) != 0)
			return 1;
		fflush(stdout);
		held = strlen(line);
		if (held == sizeof input - 1)
			return USAGE;
		memmove(input, line, held);
	}
	return 0;
}
