/*
 * What must not happen in the daemon's process: fork, namespaces, liblxc's start and attach.
 * A V8 process has many threads and much memory; this program has neither.
 *
 *   helper <verb> <argument>...
 *
 * It trusts nobody: every argument is checked, a wrong call ends with status 64.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "confine", verb_confine }, { "dump", verb_dump },	{ "exec", verb_exec },
	{ "hook", verb_hook },
	{ "mount", verb_mount },     { "net", verb_net },	{ "project", verb_project },
	{ "proxy", verb_proxy },     { "restore", verb_restore },
	{ "seccomp", verb_seccomp }, { "sftp", verb_sftp },	{ "shift", verb_shift },
	{ "start", verb_start },     { "uevent", verb_uevent }, { "uevents", verb_uevents },
	{ "umount", verb_umount },   { "userns", verb_userns }, { "xtables", verb_xtables },
};

int parse_number(const char *text)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	long value = strtol(text, &end, 10);
	return errno != 0 || *end != '\0' || value > INT_MAX ? -1 : (int)value;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 2, argv + 2);
	fprintf(stderr, "usage: helper <verb> <argument>...\n");
	return USAGE;
}
