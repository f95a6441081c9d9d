/*
 * xtables_policy ip|ip6 accept|drop [<interface>]: what `iptables-legacy -P FORWARD` does, and with an
 * interface `-A DOCKER-USER -i`. The table "filter" is as new otherwise, with an empty chain DOCKER-USER.
 */
#include <arpa/inet.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static char blob[8192];
static unsigned size, count, is_ip;

/* An entry with this target; a size of 0 for the first half. Returns where it is. */
static unsigned add(const char *in, const void *target, unsigned target_size)
{
	unsigned at = size, head = is_ip ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
	if (is_ip) {
		struct ipt_entry *entry = (void *)(blob + at);
		strcpy(entry->ip.iniface, in);
		memset(entry->ip.iniface_mask, 255, in[0] == '\0' ? 0 : strlen(in) + 1);
		entry->target_offset = head;
		entry->next_offset = head + target_size;
	} else {
		struct ip6t_entry *entry = (void *)(blob + at);
		strcpy(entry->ipv6.iniface, in);
		memset(entry->ipv6.iniface_mask, 255, in[0] == '\0' ? 0 : strlen(in) + 1);
		entry->target_offset = head;
		entry->next_offset = head + target_size;
	}
	memcpy(blob + at + head, target, target_size);
	size += head + target_size;
	count++;
	return at;
}

static unsigned verdict(const char *in, int value)
{
	struct xt_standard_target target = { .verdict = value };
	target.target.u.target_size = sizeof target;
	return add(in, &target, sizeof target);
}

static void name(const char *text)
{
	struct xt_error_target target = { 0 };
	target.target.u.target_size = XT_ALIGN(sizeof target);
	strcpy(target.target.u.user.name, XT_ERROR_TARGET);
	strcpy(target.errorname, text);
	add("", &target, XT_ALIGN(sizeof target));
}

int main(int argc, char **argv)
{
	enum { ACCEPT = -NF_ACCEPT - 1, DROP = -NF_DROP - 1, RETURN = XT_RETURN };
	if (argc < 3)
		return 64;
	is_ip = strcmp(argv[1], "ip") == 0;
	int level = is_ip ? IPPROTO_IP : IPPROTO_IPV6;
	int fd = socket(is_ip ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
	struct ipt_getinfo info = { .name = "filter" };
	socklen_t length = sizeof info;
	/* Makes the table, too. */
	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &length) != 0)
		return perror("filter"), 1;
	static struct xt_counters counters[64];
	static struct { struct ipt_replace head; char room[sizeof blob]; } all;
	struct ipt_replace *replace = &all.head;
	strcpy(replace->name, "filter");
	replace->valid_hooks = info.valid_hooks;
	replace->hook_entry[NF_INET_LOCAL_IN] = verdict("", ACCEPT);
	replace->underflow[NF_INET_LOCAL_IN] = replace->hook_entry[NF_INET_LOCAL_IN];
	replace->hook_entry[NF_INET_FORWARD] = verdict("docker0", ACCEPT);
	replace->underflow[NF_INET_FORWARD] = verdict("", strcmp(argv[2], "drop") == 0 ? DROP : ACCEPT);
	replace->hook_entry[NF_INET_LOCAL_OUT] = verdict("", ACCEPT);
	replace->underflow[NF_INET_LOCAL_OUT] = replace->hook_entry[NF_INET_LOCAL_OUT];
	name("DOCKER-USER");
	if (argc > 3)
		verdict(argv[3], ACCEPT);
	verdict("", RETURN);
	name(XT_ERROR_TARGET);
	replace->num_entries = count;
	replace->size = size;
	replace->num_counters = info.num_entries;
	replace->counters = counters;
	memcpy(replace->entries, blob, size);
	if (setsockopt(fd, level, IPT_SO_SET_REPLACE, replace, sizeof *replace + size) != 0)
		return perror("replace"), 1;
	return 0;
}
