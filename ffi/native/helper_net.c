/*
 * net
 *
 * A server for the network state of containers: reads a pid per line, enters that process's network
 * namespace and answers with one line of JSON, {} if the process is gone. One process serves all
 * containers, so that a list forks nothing. Ends at the end of standard input.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper.h"

static int prefix_length(const unsigned char *mask, int bytes)
{
	int bits = 0;
	for (int i = 0; i < bytes; i++)
		bits += __builtin_popcount(mask[i]);
	return bits;
}

static const char *scope_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		uint32_t ip = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
		return ip >> 24 == 127 ? "local" : ip >> 16 == 0xa9fe ? "link" : "global";
	}
	const struct in6_addr *ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(ip) ? "local" : IN6_IS_ADDR_LINKLOCAL(ip) ? "link" : "global";
}

static void print_addresses(const struct ifaddrs *all, const char *name)
{
	const char *comma = "";
	size_t length = strlen(name);
	for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		if (one->ifa_addr == NULL || one->ifa_netmask == NULL)
			continue;
		/* An IPv4 address may have a label: "eth0:1". No interface has a colon in its name. */
		if (strncmp(one->ifa_name, name, length) != 0 || (one->ifa_name[length] != '\0' && one->ifa_name[length] != ':'))
			continue;
		int family = one->ifa_addr->sa_family, bits;
		const void *ip;
		if (family == AF_INET) {
			ip = &((struct sockaddr_in *)one->ifa_addr)->sin_addr;
			bits = prefix_length((void *)&((struct sockaddr_in *)one->ifa_netmask)->sin_addr, 4);
		} else if (family == AF_INET6) {
			ip = &((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr;
			bits = prefix_length((void *)&((struct sockaddr_in6 *)one->ifa_netmask)->sin6_addr, 16);
		} else {
			continue;
		}
		inet_ntop(family, ip, text, sizeof text);
		printf("%s{\"family\":\"%s\",\"address\":\"%s\",\"netmask\":\"%d\",\"scope\":\"%s\"}", comma,
		       family == AF_INET ? "inet" : "inet6", text, bits, scope_of(one->ifa_addr));
		comma = ",";
	}
}

/* Counters of one interface from /proc/net/dev, which are 64 bits wide. */
static void print_counters(const char *devices, const char *name)
{
	uint64_t n[16] = { 0 };
	size_t length = strlen(name);
	for (const char *line = devices; line != NULL && *line != '\0';) {
		while (*line == ' ' || *line == '\n')
			line++;
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			const char *p = line + length + 1;
			char *end;
			for (int i = 0; i < 16; i++, p = end)
				n[i] = strtoull(p, &end, 10);
			break;
		}
		line = strchr(line, '\n');
	}
	printf("{\"bytes_received\":%" PRIu64 ",\"bytes_sent\":%" PRIu64 ",\"packets_received\":%" PRIu64
	       ",\"packets_sent\":%" PRIu64 ",\"errors_received\":%" PRIu64 ",\"errors_sent\":%" PRIu64
	       ",\"packets_dropped_outbound\":%" PRIu64 ",\"packets_dropped_inbound\":%" PRIu64 "}",
	       n[0], n[8], n[1], n[9], n[2], n[10], n[11], n[3]);
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

static void print_interface(const struct ifaddrs *all, const struct ifaddrs *link, const char *devices)
{
	const struct sockaddr_ll *hardware = (void *)link->ifa_addr;
	int loopback = (link->ifa_flags & IFF_LOOPBACK) != 0;
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, link->ifa_name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) != 0)
		request.ifr_mtu = 0;
	if (fd >= 0)
		close(fd);
	print_quoted(link->ifa_name);
	printf(":{\"addresses\":[");
	print_addresses(all, link->ifa_name);
	printf("],\"counters\":");
	print_counters(devices, link->ifa_name);
	printf(",\"hwaddr\":\"");
	for (int i = 0; !loopback && i < hardware->sll_halen && i < 8; i++)
		printf("%s%02x", i > 0 ? ":" : "", hardware->sll_addr[i]);
	printf("\",\"host_name\":\"\",\"mtu\":%d,\"state\":\"%s\",\"type\":\"%s\"}", request.ifr_mtu,
	       link->ifa_flags & IFF_UP ? "up" : "down",
	       loopback					  ? "loopback" :
	       link->ifa_flags & IFF_POINTOPOINT ? "point-to-point" :
	       link->ifa_flags & IFF_BROADCAST	  ? "broadcast" :
						    "unknown");
}

static void print_state(void)
{
	static char devices[65536];
	struct ifaddrs *all;
	int fd = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	ssize_t length = 0, got;
	while (fd >= 0 && (got = read(fd, devices + length, sizeof devices - 1 - (size_t)length)) > 0)
		length += got;
	devices[length] = '\0';
	if (fd >= 0)
		close(fd);
	if (getifaddrs(&all) != 0)
		return;
	const char *comma = "";
	for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_PACKET)
			continue;
		printf("%s", comma);
		print_interface(all, one, devices);
		comma = ",";
	}
	freeifaddrs(all);
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
	(void)argv;
	if (argc != 0)
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
		fflush(stdout);
		held = strlen(line);
		if (held == sizeof input - 1)
			return USAGE;
		memmove(input, line, held);
	}
	return 0;
}
