/*
 * sftp root <directory> | sftp pid <init's pid>
 *
 * Server of the SFTP protocol, version 3, on standard input and output: files of a stopped container
 * (the host's view of its root) or of a running one (as its own root sees them, with its ids).
 * It ends with its input. A file system of the container that never answers hangs this process, and
 * nobody else: it can be killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "helper.h"
#include "helper_sftp.h"

enum { HANDLES = 256, NAMES_PER_REPLY = 64, NAME_REPLY_BYTES = 1024 };

struct handle {
	int fd;
	DIR *directory;
	int appends;
};

static struct handle handles[HANDLES];
static unsigned char request[PACKET_MAX], reply[PACKET_MAX];

static int read_all(unsigned char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t count = read(STDIN_FILENO, bytes + done, size - done);
		if (count == 0 || (count < 0 && errno != EINTR))
			return -1;
		done += count < 0 ? 0 : (size_t)count;
	}
	return 0;
}

static int write_all(const unsigned char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t count = write(STDOUT_FILENO, bytes + done, size - done);
		if (count < 0 && errno != EINTR)
			return -1;
		done += count < 0 ? 0 : (size_t)count;
	}
	return 0;
}

static void begin(struct output *out, unsigned char type, uint32_t id)
{
	out->bytes = reply;
	out->size = 4;
	reply[out->size++] = type;
	put_u32(out, id);
}

static void put_status(struct output *out, uint32_t id, uint32_t code, const char *text)
{
	begin(out, FXP_STATUS, id);
	put_u32(out, code);
	put_text(out, text);
	put_text(out, "");
}

/* What errno says; clients of the protocol know only few numbers, so the text says it again. */
static void put_result(struct output *out, uint32_t id, int result)
{
	if (result >= 0)
		return put_status(out, id, FX_OK, "");
	put_status(out, id, errno == ENOENT || errno == ENOTDIR ? FX_NO_SUCH_FILE :
		   errno == EACCES || errno == EPERM ? FX_PERMISSION_DENIED : FX_FAILURE, strerror(errno));
}

static struct handle *get_handle(struct input *in)
{
	uint32_t size;
	const unsigned char *bytes = get_bytes(in, &size);
	struct handle *found = bytes != NULL && size == 1 ? &handles[bytes[0]] : NULL;
	return found != NULL && (found->fd > 0 || found->directory != NULL) ? found : NULL;
}

static void put_handle(struct output *out, uint32_t id, int fd, DIR *directory, int appends)
{
	for (int index = 0; index < HANDLES; index++) {
		if (handles[index].fd > 0 || handles[index].directory != NULL)
			continue;
		handles[index] = (struct handle){ directory == NULL ? fd : 0, directory, appends };
		unsigned char name = (unsigned char)index;
		begin(out, FXP_HANDLE, id);
		return put_string(out, &name, 1);
	}
	if (directory != NULL)
		closedir(directory);
	else
		close(fd);
	put_status(out, id, FX_FAILURE, "Too many open files");
}

static int close_handle(struct handle *handle)
{
	int result = handle->directory != NULL ? closedir(handle->directory) : close(handle->fd);
	*handle = (struct handle){ 0 };
	return result;
}

static void do_open(struct input *in, struct output *out, uint32_t id)
{
	enum { READ = 1, WRITE = 2, APPEND = 4, CREATE = 8, TRUNCATE = 16, EXCLUSIVE = 32 };
	char path[PATH_BYTES];
	struct attributes attributes;
	get_path(in, path);
	uint32_t wanted = get_u32(in);
	get_attributes(in, &attributes);
	if (in->bad)
		return;
	int flags = (wanted & READ) == 0 ? O_WRONLY : (wanted & WRITE) != 0 ? O_RDWR : O_RDONLY;
	flags |= ((wanted & APPEND) != 0 ? O_APPEND : 0) | ((wanted & CREATE) != 0 ? O_CREAT : 0) |
		((wanted & TRUNCATE) != 0 ? O_TRUNC : 0) | ((wanted & EXCLUSIVE) != 0 ? O_EXCL : 0);
	int has_mode = (attributes.flags & ATTR_PERMISSIONS) != 0;
	int fd = files_open(path, flags, has_mode ? attributes.mode : 0644);
	if (fd < 0)
		return put_result(out, id, -1);
	put_handle(out, id, fd, NULL, (wanted & APPEND) != 0);
}

static void do_open_directory(struct input *in, struct output *out, uint32_t id)
{
	char path[PATH_BYTES];
	get_path(in, path);
	if (in->bad)
		return;
	int fd = files_open_directory(path);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL)
		return put_result(out, id, -1);
	put_handle(out, id, 0, directory, 0);
}

static void do_read(struct handle *handle, struct input *in, struct output *out, uint32_t id)
{
	uint64_t offset = get_u64(in);
	uint32_t size = get_u32(in);
	if (in->bad)
		return;
	begin(out, FXP_DATA, id);
	size_t head = out->size + 4;
	ssize_t count = pread(handle->fd, reply + head, size < DATA_MAX ? size : DATA_MAX, (off_t)offset);
	if (count < 0)
		return put_result(out, id, -1);
	if (count == 0)
		return put_status(out, id, FX_EOF, "End of file");
	put_u32(out, (uint32_t)count);
	out->size += (size_t)count;
}

static void do_write(struct handle *handle, struct input *in, struct output *out, uint32_t id)
{
	uint64_t offset = get_u64(in);
	uint32_t size;
	const unsigned char *bytes = get_bytes(in, &size);
	if (in->bad)
		return;
	for (uint32_t done = 0; done < size;) {
		ssize_t count = handle->appends
			? write(handle->fd, bytes + done, size - done)
			: pwrite(handle->fd, bytes + done, size - done, (off_t)(offset + done));
		if (count < 0 && errno != EINTR)
			return put_result(out, id, -1);
		done += count < 0 ? 0 : (uint32_t)count;
	}
	put_result(out, id, 0);
}

static void do_read_directory(struct handle *handle, struct output *out, uint32_t id)
{
	uint32_t count = 0;
	begin(out, FXP_NAME, id);
	put_u32(out, 0);
	while (count < NAMES_PER_REPLY && out->size < PACKET_MAX - 2 * NAME_REPLY_BYTES) {
		errno = 0;
		struct dirent *entry = readdir(handle->directory);
		if (entry == NULL)
			break;
		struct stat info;
		if (fstatat(dirfd(handle->directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* Removed meanwhile. */
		put_text(out, entry->d_name);
		put_long_name(out, entry->d_name, &info);
		put_attributes(out, &info);
		count++;
	}
	if (count == 0)
		return errno != 0 ? put_result(out, id, -1) : put_status(out, id, FX_EOF, "End of file");
	struct output number = { reply, 9 };
	put_u32(&number, count);
}

static void put_stat(struct output *out, uint32_t id, int result, const struct stat *info)
{
	if (result != 0)
		return put_result(out, id, -1);
	begin(out, FXP_ATTRS, id);
	put_attributes(out, info);
}

static void put_name(struct output *out, uint32_t id, const char *name, size_t size)
{
	begin(out, FXP_NAME, id);
	put_u32(out, 1);
	put_string(out, name, size);
	put_string(out, name, size);
	put_u32(out, 0);
}

static void do_statvfs(struct input *in, struct output *out, uint32_t id)
{
	char path[PATH_BYTES];
	struct statvfs info;
	get_path(in, path);
	if (in->bad)
		return;
	int fd = files_open_directory(path);
	if (fd < 0)
		fd = files_open(path, O_RDONLY, 0);
	int result = fd < 0 ? -1 : fstatvfs(fd, &info);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	if (result != 0)
		return put_result(out, id, -1);
	begin(out, FXP_EXTENDED_REPLY, id);
	const uint64_t fields[] = { info.f_bsize, info.f_frsize, info.f_blocks, info.f_bfree, info.f_bavail,
		info.f_files, info.f_ffree, info.f_favail, info.f_fsid, (info.f_flag & ST_RDONLY) != 0 ? 1 : 0,
		info.f_namemax };
	for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
		put_u64(out, fields[index]);
}

static void do_extended(struct input *in, struct output *out, uint32_t id)
{
	char name[PATH_BYTES], from[PATH_BYTES], to[PATH_BYTES];
	struct attributes attributes;
	get_path(in, name);
	if (in->bad)
		return;
	if (strcmp(name, "statvfs@openssh.com") == 0)
		return do_statvfs(in, out, id);
	if (strcmp(name, "fsync@openssh.com") == 0) {
		struct handle *handle = get_handle(in);
		errno = EBADF;
		return put_result(out, id, handle == NULL || handle->directory != NULL ? -1 : fsync(handle->fd));
	}
	get_path(in, from);
	if (strcmp(name, "lsetstat@openssh.com") == 0) {
		get_attributes(in, &attributes);
		if (!in->bad)
			put_result(out, id, files_set(from, 0, &attributes));
		return;
	}
	int renames = strcmp(name, "posix-rename@openssh.com") == 0;
	if (!renames && strcmp(name, "hardlink@openssh.com") != 0) {
		in->bad = 0;
		return put_status(out, id, FX_OP_UNSUPPORTED, "Operation unsupported");
	}
	get_path(in, to);
	if (!in->bad)
		put_result(out, id, renames ? files_rename(from, to, 1) : files_hard_link(from, to));
}

/* Requests that name an open file. 0: not one of them. */
static int on_handle(unsigned char type, struct input *in, struct output *out, uint32_t id)
{
	struct attributes attributes;
	struct stat info;
	if (type != FXP_CLOSE && type != FXP_READ && type != FXP_WRITE && type != FXP_FSTAT &&
	    type != FXP_FSETSTAT && type != FXP_READDIR)
		return 0;
	struct handle *handle = get_handle(in);
	if (in->bad)
		return 1;
	if (handle == NULL || ((type == FXP_READDIR) != (handle->directory != NULL) && type != FXP_CLOSE &&
			       type != FXP_FSTAT && type != FXP_FSETSTAT)) {
		put_status(out, id, FX_FAILURE, "Bad file descriptor");
		return 1;
	}
	int fd = handle->directory != NULL ? dirfd(handle->directory) : handle->fd;
	if (type == FXP_CLOSE)
		put_result(out, id, close_handle(handle));
	else if (type == FXP_READ)
		do_read(handle, in, out, id);
	else if (type == FXP_WRITE)
		do_write(handle, in, out, id);
	else if (type == FXP_READDIR)
		do_read_directory(handle, out, id);
	else if (type == FXP_FSTAT)
		put_stat(out, id, fstat(fd, &info), &info);
	else {
		get_attributes(in, &attributes);
		if (!in->bad)
			put_result(out, id, files_set_open(fd, &attributes));
	}
	return 1;
}

/* Requests that name a path. */
static void on_path(unsigned char type, struct input *in, struct output *out, uint32_t id)
{
	char path[PATH_BYTES], other[PATH_BYTES];
	struct attributes attributes;
	struct stat info;
	get_path(in, path);
	if (type == FXP_SETSTAT || type == FXP_MKDIR)
		get_attributes(in, &attributes);
	if (type == FXP_RENAME || type == FXP_SYMLINK)
		get_path(in, other);
	if (in->bad)
		return;
	switch (type) {
	case FXP_STAT:
	case FXP_LSTAT:
		return put_stat(out, id, files_stat(path, type == FXP_STAT, &info), &info);
	case FXP_SETSTAT:
		return put_result(out, id, files_set(path, 1, &attributes));
	case FXP_REMOVE:
		return put_result(out, id, files_remove(path, 0));
	case FXP_RMDIR:
		return put_result(out, id, files_remove(path, 1));
	case FXP_MKDIR:
		return put_result(out, id, files_make_directory(path,
			(attributes.flags & ATTR_PERMISSIONS) != 0 ? attributes.mode : 0755));
	case FXP_RENAME:
		return put_result(out, id, files_rename(path, other, 0));
	case FXP_SYMLINK: /* The target comes first, as OpenSSH has it. */
		return put_result(out, id, files_make_link(other, path));
	case FXP_READLINK: {
		ssize_t length = files_read_link(path, other, sizeof other);
		return length < 0 ? put_result(out, id, -1) : put_name(out, id, other, (size_t)length);
	}
	case FXP_REALPATH:
		if (files_real_path(path, other) != 0)
			return put_result(out, id, -1);
		return put_name(out, id, other, strlen(other));
	default:
		return put_status(out, id, FX_OP_UNSUPPORTED, "Operation unsupported");
	}
}

static void answer(unsigned char type, struct input *in, struct output *out)
{
	if (type == FXP_INIT) {
		static const char *const extensions[] = { "posix-rename@openssh.com", "1", "statvfs@openssh.com",
			"2", "hardlink@openssh.com", "1", "fsync@openssh.com", "1", "lsetstat@openssh.com", "1" };
		begin(out, FXP_VERSION, 3);
		for (size_t index = 0; index < sizeof extensions / sizeof *extensions; index++)
			put_text(out, extensions[index]);
		return;
	}
	uint32_t id = get_u32(in);
	out->size = 0;
	if (type == FXP_OPEN)
		do_open(in, out, id);
	else if (type == FXP_OPENDIR)
		do_open_directory(in, out, id);
	else if (type == FXP_EXTENDED)
		do_extended(in, out, id);
	else if (!on_handle(type, in, out, id))
		on_path(type, in, out, id);
	if (in->bad || out->size == 0)
		put_status(out, id, FX_BAD_MESSAGE, "Bad message");
}

int verb_sftp(int argc, char **argv)
{
	if (argc != 2 && (argc != 3 || strcmp(argv[0], "root") != 0 || parse_number(argv[2]) < 0)) {
		fprintf(stderr, "usage: sftp root <directory> [<user namespace fd>] | sftp pid <pid>\n");
		return USAGE;
	}
	if (files_enter(argc, argv) < 0) {
		fprintf(stderr, "cannot enter %s %s: %s\n", argv[0], argv[1], strerror(errno));
		return 1;
	}
	for (;;) {
		unsigned char head[5];
		if (read_all(head, sizeof head) != 0)
			return 0;
		uint32_t size = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
		if (size < 1 || size > PACKET_MAX || read_all(request, size - 1) != 0)
			return 1;
		struct input in = { request, request + size - 1, 0 };
		struct output out = { reply, 0 };
		answer(head[4], &in, &out);
		struct output length = { reply, 0 };
		put_u32(&length, (uint32_t)(out.size - 4));
		if (write_all(reply, out.size) != 0)
			return 1;
	}
}
