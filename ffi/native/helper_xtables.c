/*
 * xtables ip|ip6   what iptables-legacy has in its table "filter", of which nft knows nothing
 *
 * Words with tabs between, a line each; nothing where there is no such table (it is not made):
 *
 *   policy accept|drop                    of the chain FORWARD
 *   chain <name>                          one that a user made
 *   rule <in> <out> all|some accept|jump|other   interfaces ("" for any, "br+" for br*); "all": there
 *                                         is no other condition. Of all chains, without policies.
 *
 * Exit status: 0, 1 (reason on stderr), 64 for a wrong call. @see linux/netfilter_ipv4/ip_tables.h
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper.h"

/* The replies differ between the families in their entries alone. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one layout");
_Static_assert(sizeof(struct ipt_get_entries) == sizeof(struct ip6t_get_entries), "one layout");
_Static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO, "one number");
_Static_assert(IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES, "one number");

enum { ENTRIES_MAX = 64 * 1024 * 1024 };

static const char table[] = "filter";

struct rule {
	char in[IFNAMSIZ + 1], out[IFNAMSIZ + 1];
	int is_all;
	unsigned target, next;
};

/* The kernel makes a table when it is asked about it: look first. */
static int is_there(const char *names)
{
	char line[XT_TABLE_MAXNAMELEN + 2];
	int found = 0;
	FILE *file = fopen(names, "re");
	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
		found = strcmp(strtok(line, "\n") ?: "", table) == 0;
	if (file != NULL)
		fclose(file);
	return found;
}

/* "" without a condition, or with the opposite of one; without what would break a line. */
static void interface(char *to, const char *name, const unsigned char *mask, int inverted)
{
	unsigned i = 0;
	to[0] = '\0';
	if (inverted)
		return;
	for (; i < IFNAMSIZ && mask[i] != 0 && name[i] != '\0'; i++)
		to[i] = name[i] > ' ' && name[i] < 127 ? name[i] : '?';
	if (i > 0 && i < IFNAMSIZ && mask[i] == 0)
		to[i++] = '+';
	to[i] = '\0';
}

static int is_zero(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	while (size > 0 && at[size - 1] == 0)
		size--;
	return size == 0;
}

/* Fills in what of an entry is the same in both families. */
#define READ_RULE(rule, entry, header)                                                             \
	do {                                                                                       \
		interface((rule)->in, (header)->iniface, (header)->iniface_mask,                   \
			  (header)->invflags & IPT_INV_VIA_IN);                                    \
		interface((rule)->out, (header)->outiface, (header)->outiface_mask,                \
			  (header)->invflags & IPT_INV_VIA_OUT);                                   \
		(rule)->is_all = (entry)->target_offset == sizeof *(entry) &&                      \
				 is_zero((header), sizeof *(header));                              \
		(rule)->target = (entry)->target_offset;                                           \
		(rule)->next = (entry)->next_offset;                                               \
	} while (0)

static unsigned read_rule(int family, const char *at, struct rule *rule)
{
	if (family == AF_INET) {
		struct ipt_entry entry;
		memcpy(&entry, at, sizeof entry);
		READ_RULE(rule, &entry, &entry.ip);
		return sizeof entry;
	}
	struct ip6t_entry entry;
	memcpy(&entry, at, sizeof entry);
	READ_RULE(rule, &entry, &entry.ipv6);
	return sizeof entry;
}

static int is_policy(const struct ipt_getinfo *info, unsigned offset)
{
	for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if ((info->valid_hooks & 1U << hook) != 0 && info->underflow[hook] == offset)
			return 1;
	return 0;
}

/* One entry at `at`, of which `left` bytes are there. Returns its size, 0 if it is none. */
static unsigned print_entry(int family, const struct ipt_getinfo *info, const char *at,
			    unsigned offset)
{
	const size_t least = family == AF_INET ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
	struct xt_standard_target target;
	struct rule rule;
	unsigned left = info->size - offset;
	if (left < least)
		return 0;
	unsigned head = read_rule(family, at, &rule);
	if (rule.target < head || rule.next > left || rule.next < rule.target + sizeof target)
		return 0;
	memcpy(&target, at + rule.target, sizeof target);
	const char *name = target.target.u.user.name;
	if (strncmp(name, XT_ERROR_TARGET, sizeof target.target.u.user.name) == 0) {
		struct xt_error_target error = { 0 };
		size_t size = rule.next - rule.target;
		memcpy(&error, at + rule.target, size < sizeof error ? size : sizeof error);
		/* The last entry ends the table. */
		if (rule.next < left)
			printf("chain\t%.*s\n", XT_FUNCTION_MAXNAMELEN - 1, error.errorname);
		return rule.next;
	}
	int is_standard = name[0] == '\0';
	int accepts = is_standard && target.verdict == -NF_ACCEPT - 1;
	if (offset == info->underflow[NF_INET_FORWARD])
		printf("policy\t%s\n", accepts ? "accept" : "drop");
	else if (!is_policy(info, offset))
		printf("rule\t%s\t%s\t%s\t%s\n", rule.in, rule.out, rule.is_all ? "all" : "some",
		       accepts				      ? "accept"
		       : is_standard && target.verdict >= 0 ? "jump"
							      : "other");
	return rule.next;
}

static int print_table(int family)
{
	const int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	struct ipt_getinfo info = { 0 };
	socklen_t size = sizeof info;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -1;
	memcpy(info.name, table, sizeof table);
	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &size) != 0)
		return -1;
	if (info.size > ENTRIES_MAX) {
		errno = EFBIG;
		return -1;
	}
	size = sizeof(struct ipt_get_entries) + info.size;
	struct ipt_get_entries *entries = calloc(1, size);
	if (entries == NULL)
		return -1;
	memcpy(entries->name, table, sizeof table);
	entries->size = info.size;
	/* Changed between the two calls: EAGAIN, and the caller looks again another time. */
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries, &size) != 0)
		return -1;
	for (unsigned offset = 0, step; offset < info.size; offset += step) {
		step = print_entry(family, &info, (const char *)entries->entrytable + offset, offset);
		if (step == 0) {
			errno = EPROTO;
			return -1;
		}
	}
	free(entries);
	close(fd);
	return fflush(stdout);
}

int verb_xtables(int argc, char **argv)
{
	if (argc != 1)
		return USAGE;
	int is_ip = strcmp(argv[0], "ip") == 0;
	if (!is_ip && strcmp(argv[0], "ip6") != 0)
		return USAGE;
	if (!is_there(is_ip ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names"))
		return 0;
	if (print_table(is_ip ? AF_INET : AF_INET6) == 0)
		return 0;
	fprintf(stderr, "cannot read the table %s of %s: %s\n", table, argv[0], strerror(errno));
	return 1;
}
