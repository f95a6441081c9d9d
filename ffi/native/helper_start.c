/*
 * start <lxcpath> <name> <config file> [native]     status 0 once the container runs; native: it takes
 *                                          no 32-bit programs
 * userns                                   a new user namespace for the caller to map and to keep
 */
#include <errno.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"

struct lxc_container *open_container(char **argv)
{
	struct lxc_container *container = lxc_container_new(argv[1], argv[0]);
	if (container == NULL) {
		fprintf(stderr, "cannot open container\n");
		return NULL;
	}
	container->clear_config(container);
	if (!container->load_config(container, argv[2])) {
		fprintf(stderr, "cannot load configuration %s\n", argv[2]);
		return NULL;
	}
	container->want_daemonize(container, true);
	return container;
}

int verb_start(int argc, char **argv)
{
	int native = argc == 4 && strcmp(argv[3], "native") == 0;
	if (argc != 3 && !native) {
		fprintf(stderr, "usage: start <lxcpath> <name> <config file> [native]\n");
		return USAGE;
	}
	if (native && refuse_other_abis() != 0)
		return 1;
	/*
	 * With newuidmap in PATH liblxc would run it even as root, and ask /etc/subuid. Unset, so that
	 * the shell that runs hooks has its built-in default.
	 */
	unsetenv("PATH");
	struct lxc_container *container = open_container(argv);
	if (container == NULL)
		return 1;
	container->want_close_all_fds(container, true);
	if (!container->start(container, 0, NULL)) {
		fprintf(stderr, "container did not start\n");
		return 1;
	}
	lxc_container_put(container);
	return 0;
}

int verb_userns(int argc, char **argv)
{
	char byte;
	(void)argv;
	if (argc != 0)
		return USAGE;
	if (unshare(CLONE_NEWUSER) != 0) {
		fprintf(stderr, "unshare: %s\n", strerror(errno));
		return 1;
	}
	/* "Ready"; then wait until the caller has written the maps and opened the namespace. */
	if (write(STDOUT_FILENO, "+", 1) != 1)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
		;
	return 0;
}
