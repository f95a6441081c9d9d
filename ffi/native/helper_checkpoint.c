/*
 * dump <lxcpath> <name> <config file> <directory> <CRIU's configuration> leave|stop [<action script>]
 *                                          the processes of a container go to the directory
 * restore <lxcpath> <name> <config file> <directory> <CRIU's configuration>
 *                                          a container runs on from there; status 0 once it does
 *
 * liblxc runs CRIU, whose words are in dump.log and restore.log of the directory.
 */
#include <lxc/lxccontainer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"

static int migrate(char **argv, unsigned int command, bool stop, char *script)
{
	struct migrate_opts options = {
		.directory = argv[3],
		.verbose = true,
		.stop = stop,
		.preserves_inodes = false,
		.action_script = script,
	};
	if (setenv("CRIU_CONFIG_FILE", argv[4], 1) != 0)
		return 1;
	struct lxc_container *container = open_container(argv);
	if (container == NULL)
		return 1;
	return container->migrate(container, command, &options, sizeof options) == 0 ? 0 : 1;
}

int verb_dump(int argc, char **argv)
{
	bool stop = argc >= 6 && strcmp(argv[5], "stop") == 0;
	if (argc < 6 || argc > 7 || (!stop && strcmp(argv[5], "leave") != 0)) {
		fprintf(stderr, "usage: dump <lxcpath> <name> <config file> <directory> "
				"<CRIU's configuration> leave|stop [<action script>]\n");
		return USAGE;
	}
	return migrate(argv, MIGRATE_DUMP, stop, argc == 7 ? argv[6] : NULL);
}

int verb_restore(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: restore <lxcpath> <name> <config file> <directory> "
				"<CRIU's configuration>\n");
		return USAGE;
	}
	return migrate(argv, MIGRATE_RESTORE, false, NULL);
}
