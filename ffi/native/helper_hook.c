/*
 * hook <unix socket> <path>
 *
 * Run by liblxc as a hook of a container. Tells the daemon: POST <path>?target=<LXC_TARGET>&monitor=<pid>.
 * A daemon that is not there is no error: it will see for itself when it starts. After the post-stop
 * hook of a reboot the status is 1, which makes liblxc stop instead: the daemon starts it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "helper.h"

enum { ANSWER_SECONDS = 30 };

static void tell(const char *socket_path, const char *path, const char *target)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	char request[1024], answer[1024];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(socket_path) >= sizeof address.sun_path)
		return;
	strcpy(address.sun_path, socket_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return;
	int length = snprintf(request, sizeof request,
			      "POST %s?target=%s&monitor=%d HTTP/1.1\r\nHost: lxd\r\n"
			      "Content-Length: 0\r\nConnection: close\r\n\r\n",
			      path, target, (int)getppid());
	if (length > 0 && length < (int)sizeof request &&
	    send(fd, request, (size_t)length, MSG_NOSIGNAL) == length)
		while (read(fd, answer, sizeof answer) > 0)
			;
	close(fd);
}

int verb_hook(int argc, char **argv)
{
	/* liblxc appends nothing with lxc.hook.version = 1. */
	if (argc < 2 || argv[1][0] != '/') {
		fprintf(stderr, "usage: hook <unix socket> <path>\n");
		return USAGE;
	}
	const char *type = getenv("LXC_HOOK_TYPE"), *target = getenv("LXC_TARGET");
	int is_reboot = target != NULL && strcmp(target, "reboot") == 0;
	tell(argv[0], argv[1], is_reboot ? "reboot" : "stop");
	return is_reboot && type != NULL && strcmp(type, "post-stop") == 0;
}
