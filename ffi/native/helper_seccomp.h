/* Between the server of seccomp notifications and what it does for each system call. */
#ifndef LXD_HELPER_SECCOMP_H
#define LXD_HELPER_SECCOMP_H

#include <linux/seccomp.h>
#include <sys/types.h>

/* Who made the call. The descriptors stay those of this process, whatever becomes of its pid. */
struct caller {
	pid_t pid;
	pid_t init;
	int proc;	/* its directory in /proc */
	int memory;	/* its memory */
};

/* No errno: the kernel shall decide as if nobody had asked. */
enum { GO_ON = 255 };

/* Is the word in the policy of the container? */
int policy_has(const char *policy, const char *word);

/* A file of the caller in /proc as text, cut to fit. Returns its length, or 0 with an empty text. */
size_t read_of_caller(const struct caller *caller, const char *name, char *text, size_t size);

/* A mount for which a program of the container stands in. */
struct fuse_mount {
	const char *program;
	const char *source;
	const char *target;
	const char *data;
	unsigned long flags;
};

/* Run it inside and wait until it has mounted. Returns 0 or an errno. */
int mount_by_program(const struct caller *caller, const struct fuse_mount *wish);

/* Do the call, in a process of its own. Returns 0, an errno, or GO_ON. */
int handle_call(const struct caller *caller, const struct seccomp_notif *request, const char *policy);

#endif
