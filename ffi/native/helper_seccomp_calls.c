/*
 * The system calls that the server of seccomp notifications does for a container. Each is first looked
 * at: is it harmless, and would the caller have the right to it if its user namespace were all there is?
 * Anything else goes on to the kernel, which refuses it as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "helper_seccomp.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

struct credentials {
	unsigned uid, gid, mask;
	uint64_t capabilities;
};

static int read_memory(const struct caller *caller, uint64_t address, void *into, size_t size)
{
	return pread(caller->memory, into, size, (off_t)address) == (ssize_t)size ? 0 : -1;
}

/* A string of the caller. Pages end anywhere: read in steps that never cross one. */
static int read_text(const struct caller *caller, uint64_t address, char *text, size_t size)
{
	size_t have = 0;
	while (address != 0 && have < size) {
		size_t step = 4096 - (size_t)((address + have) % 4096);
		if (step > size - have)
			step = size - have;
		ssize_t got = pread(caller->memory, text + have, step, (off_t)(address + have));
		if (got <= 0)
			return -1;
		if (memchr(text + have, '\0', (size_t)got) != NULL)
			return 0;
		have += (size_t)got;
	}
	return -1;
}

size_t read_of_caller(const struct caller *caller, const char *name, char *text, size_t size)
{
	int fd = openat(caller->proc, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	if (got < 0)
		got = 0;
	text[got] = '\0';
	return (size_t)got;
}

/* From the caller's status: filesystem ids, umask, effective capabilities. */
static int read_credentials(const struct caller *caller, struct credentials *who)
{
	char text[4096];
	if (read_of_caller(caller, "status", text, sizeof text) == 0)
		return -1;
	const char *uid = strstr(text, "\nUid:"), *gid = strstr(text, "\nGid:");
	const char *mask = strstr(text, "\nUmask:"), *caps = strstr(text, "\nCapEff:");
	if (uid == NULL || gid == NULL || mask == NULL || caps == NULL)
		return -1;
	if (sscanf(uid, "\nUid: %*u %*u %*u %u", &who->uid) != 1 ||
	    sscanf(gid, "\nGid: %*u %*u %*u %u", &who->gid) != 1 ||
	    sscanf(mask, "\nUmask: %o", &who->mask) != 1)
		return -1;
	who->capabilities = strtoull(caps + strlen("\nCapEff:"), NULL, 16);
	return 0;
}

static int has_capability(const struct credentials *who, int capability)
{
	return (who->capabilities >> capability & 1) != 0;
}

/*
 * The file system ids of the caller, and its rights: the kernel takes all capabilities over files away
 * with them, but making nodes is what we are here for.
 */
static int become(const struct credentials *who)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	setfsgid(who->gid);
	setfsuid(who->uid);
	if (syscall(SYS_capget, &header, data) != 0)
		return -1;
	data[0].effective |= 1u << CAP_MKNOD;
	return (int)syscall(SYS_capset, &header, data);
}

/* See what the caller sees: its mounts, its root; and its directory, or that of a descriptor. */
static int enter(const struct caller *caller, int directory)
{
	char name[32];
	snprintf(name, sizeof name, "fd/%d", directory);
	int mounts = openat(caller->proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	int root = openat(caller->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int start = openat(caller->proc, directory == AT_FDCWD ? "cwd" : name,
			   O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mounts < 0 || root < 0 || start < 0 || setns(mounts, CLONE_NEWNS) != 0 ||
	    fchdir(root) != 0 || chroot(".") != 0 || fchdir(start) != 0)
		return -1;
	return 0;
}

/* Nodes that a container has anyway, and the whiteout of an overlay. */
static int is_harmless(mode_t mode, dev_t device)
{
	static const unsigned char minors[] = { 3, 5, 7, 8, 9 }; /* null zero full random urandom */
	if (!S_ISCHR(mode))
		return 0;
	if (device == makedev(0, 0) || device == makedev(5, 0) || device == makedev(5, 1))
		return 1;
	for (size_t i = 0; i < sizeof minors; i++)
		if (device == makedev(1, minors[i]))
			return 1;
	return 0;
}

/* A file system that the container mounted itself lets no node of it be opened: bind one of the host. */
static int bind_node(const char *path, int node)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return errno;
	close(file);
	if (syscall(SYS_move_mount, node, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	int why = errno;
	unlink(path);
	return why;
}

static int host_node(dev_t device)
{
	char name[64], path[4096];
	snprintf(name, sizeof name, "/sys/dev/char/%u:%u", major(device), minor(device));
	ssize_t length = readlink(name, path, sizeof path - 1);
	if (length <= 0)
		return -1;
	path[length] = '\0';
	snprintf(name, sizeof name, "/dev/%.50s", strrchr(path, '/') + 1);
	return (int)syscall(SYS_open_tree, AT_FDCWD, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int do_mknod(const struct caller *caller, int directory, const uint64_t *arguments)
{
	char path[4096];
	struct credentials who;
	mode_t mode = (mode_t)arguments[1];
	/* The kernel packs numbers in 32 bits. */
	uint32_t packed = (uint32_t)arguments[2];
	dev_t device = makedev((packed & 0xfff00) >> 8, (packed & 0xff) | (packed >> 12 & 0xfff00));
	if (!is_harmless(mode, device) || read_credentials(caller, &who) != 0 ||
	    !has_capability(&who, CAP_MKNOD) || read_text(caller, arguments[0], path, sizeof path) != 0)
		return GO_ON;
	int node = device == makedev(0, 0) ? -1 : host_node(device);
	if (enter(caller, directory) != 0 || become(&who) != 0)
		return GO_ON;
	umask((mode_t)who.mask);
	if (mknod(path, mode, device) != 0)
		return errno == EPERM && node >= 0 ? bind_node(path, node) : errno;
	if (node < 0)
		return 0;
	int opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (opened >= 0 || errno != EACCES)
		return 0;
	unlink(path);
	return bind_node(path, node);
}

/* The mark of a directory that hides what lies below it in an overlay. */
static int do_setxattr(const struct caller *caller, const uint64_t *arguments)
{
	static const char opaque[] = "trusted.overlay.opaque";
	char path[4096], name[sizeof opaque], value[16];
	struct credentials who;
	size_t size = (size_t)arguments[3];
	if (read_text(caller, arguments[1], name, sizeof name) != 0 || strcmp(name, opaque) != 0 ||
	    size > sizeof value || read_memory(caller, arguments[2], value, size) != 0 ||
	    read_credentials(caller, &who) != 0 || !has_capability(&who, CAP_SYS_ADMIN) ||
	    read_text(caller, arguments[0], path, sizeof path) != 0 || enter(caller, AT_FDCWD) != 0 ||
	    become(&who) != 0)
		return GO_ON;
	return setxattr(path, name, value, size, (int)arguments[4]) == 0 ? 0 : errno;
}

/* Show the container's ids on what is mounted, through its user namespace. */
static int shift(int users, const char *target)
{
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)users };
	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes,
				sizeof attributes) != 0 ||
	    umount2(target, MNT_DETACH) != 0 ||
	    syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return errno;
	return 0;
}

/* The word "fuse:<type>=<program>" of the policy. */
static int find_program(const char *policy, const char *type, char *program, size_t size)
{
	char word[80];
	size_t length = (size_t)snprintf(word, sizeof word, "fuse:%s=", type);
	for (const char *at = policy; (at = strstr(at, word)) != NULL; at += length) {
		size_t rest = strcspn(at + length, " \n\t");
		if ((at != policy && strchr(" \n\t", at[-1]) == NULL) || rest == 0 || rest >= size)
			continue;
		memcpy(program, at + length, rest);
		program[rest] = '\0';
		return 1;
	}
	return 0;
}

/* Huge pages have no device: they belong to who mounts them, whatever it says of owners. */
static int mount_pages(const struct credentials *who, const char *target, unsigned long flags, char *data,
		       size_t size)
{
	size_t length = strlen(data);
	int added = snprintf(data + length, size - length, "%suid=%u,gid=%u", length == 0 ? "" : ",",
			     who->uid, who->gid);
	if (added < 0 || (size_t)added >= size - length)
		return EINVAL;
	return mount("none", target, "hugetlbfs", flags | MS_NODEV, data) == 0 ? 0 : errno;
}

/* Never device nodes and programs with the rights of the host: what is mounted is the container's. */
static int do_mount(const struct caller *caller, const uint64_t *arguments, const char *policy)
{
	char source[4096], target[4096], type[64], word[80], program[256], data[4096] = "";
	struct credentials who;
	struct stat info;
	unsigned long flags = (unsigned long)arguments[3];
	const unsigned long special = MS_BIND | MS_MOVE | MS_REMOUNT | MS_SHARED | MS_PRIVATE |
				      MS_SLAVE | MS_UNBINDABLE;
	if ((flags & special) != 0 || read_text(caller, arguments[2], type, sizeof type) != 0)
		return GO_ON;
	snprintf(word, sizeof word, "mount:%s", type);
	int by_program = find_program(policy, type, program, sizeof program);
	if ((!by_program && !policy_has(policy, word)) || read_credentials(caller, &who) != 0 ||
	    !has_capability(&who, CAP_SYS_ADMIN) ||
	    read_text(caller, arguments[0], source, sizeof source) != 0 ||
	    read_text(caller, arguments[1], target, sizeof target) != 0 ||
	    (arguments[4] != 0 && read_text(caller, arguments[4], data, sizeof data) != 0))
		return GO_ON;
	if (by_program) {
		const struct fuse_mount wish = { program, source, target, data, flags };
		return mount_by_program(caller, &wish);
	}
	int users = openat(caller->proc, "ns/user", O_RDONLY | O_CLOEXEC);
	if (users < 0 || enter(caller, AT_FDCWD) != 0)
		return GO_ON;
	if (strcmp(type, "hugetlbfs") == 0)
		return become(&who) == 0 ? mount_pages(&who, target, flags, data, sizeof data) : GO_ON;
	/* Only a device that the caller could open itself. */
	if (stat(source, &info) != 0)
		return errno;
	if (!S_ISBLK(info.st_mode) || become(&who) != 0)
		return GO_ON;
	if (mount(source, target, type, flags | MS_NODEV, data) != 0)
		return errno;
	int why = policy_has(policy, "shift") ? shift(users, target) : 0;
	if (why != 0)
		umount2(target, MNT_DETACH);
	return why;
}

/* Priorities of threads that the caller can see. */
static int do_setscheduler(const struct caller *caller, const uint64_t *arguments)
{
	struct sched_param parameters;
	struct credentials who;
	pid_t target = (pid_t)arguments[0];
	int policy = (int)arguments[1], status;
	if (target < 0 || read_memory(caller, arguments[2], &parameters, sizeof parameters) != 0 ||
	    read_credentials(caller, &who) != 0 || !has_capability(&who, CAP_SYS_NICE))
		return GO_ON;
	if (target == 0)
		return sched_setscheduler(caller->pid, policy, &parameters) == 0 ? 0 : errno;
	int pids = openat(caller->proc, "ns/pid", O_RDONLY | O_CLOEXEC);
	if (pids < 0 || setns(pids, CLONE_NEWPID) != 0)
		return GO_ON;
	pid_t child = fork();
	if (child == 0)
		_exit(sched_setscheduler(target, policy, &parameters) == 0 ? 0 : errno);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return GO_ON;
	return WEXITSTATUS(status);
}

int handle_call(const struct caller *caller, const struct seccomp_notif *request, const char *policy)
{
	const struct seccomp_data *call = &request->data;
	uint64_t arguments[6];
	for (size_t i = 0; i < 6; i++)
		arguments[i] = call->args[i];
#if defined(__x86_64__)
	if (call->arch != AUDIT_ARCH_X86_64)
		return GO_ON; /* 32-bit programs have other numbers. */
#else
	if (call->arch != AUDIT_ARCH_AARCH64)
		return GO_ON;
#endif
	switch (call->nr) {
#ifdef SYS_mknod
	case SYS_mknod:
		return policy_has(policy, "mknod") ? do_mknod(caller, AT_FDCWD, arguments) : GO_ON;
#endif
	case SYS_mknodat:
		return policy_has(policy, "mknod") ?
			       do_mknod(caller, (int)call->args[0], arguments + 1) : GO_ON;
	case SYS_setxattr:
		return policy_has(policy, "setxattr") ? do_setxattr(caller, arguments) : GO_ON;
	case SYS_sched_setscheduler:
		return policy_has(policy, "sched_setscheduler") ? do_setscheduler(caller, arguments) : GO_ON;
	case SYS_mount:
		return do_mount(caller, arguments, policy);
	default:
		return GO_ON;
	}
}
