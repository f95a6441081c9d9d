/* Packets of the SFTP protocol, version 3: readers and writers with bounds. */
#ifndef LXD_HELPER_SFTP_H
#define LXD_HELPER_SFTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
	DATA_MAX = 256 * 1024,
	PACKET_MAX = DATA_MAX + 8192,
	PATH_BYTES = 4096,
};

enum {
	FXP_INIT = 1, FXP_VERSION, FXP_OPEN, FXP_CLOSE, FXP_READ, FXP_WRITE, FXP_LSTAT, FXP_FSTAT,
	FXP_SETSTAT, FXP_FSETSTAT, FXP_OPENDIR, FXP_READDIR, FXP_REMOVE, FXP_MKDIR, FXP_RMDIR,
	FXP_REALPATH, FXP_STAT, FXP_RENAME, FXP_READLINK, FXP_SYMLINK,
	FXP_STATUS = 101, FXP_HANDLE, FXP_DATA, FXP_NAME, FXP_ATTRS,
	FXP_EXTENDED = 200, FXP_EXTENDED_REPLY,
};

enum { FX_OK, FX_EOF, FX_NO_SUCH_FILE, FX_PERMISSION_DENIED, FX_FAILURE, FX_BAD_MESSAGE,
       FX_OP_UNSUPPORTED = 8 };

enum { ATTR_SIZE = 1, ATTR_UIDGID = 2, ATTR_PERMISSIONS = 4, ATTR_ACMODTIME = 8 };

struct attributes {
	uint32_t flags;
	uint64_t size;
	uint32_t uid, gid, mode, atime, mtime;
};

/* A packet that came; `bad` once something was asked for that is not in it. */
struct input {
	const unsigned char *at, *end;
	int bad;
};

/* A packet to be sent. */
struct output {
	unsigned char *bytes;
	size_t size;
};

uint32_t get_u32(struct input *in);
uint64_t get_u64(struct input *in);
const unsigned char *get_bytes(struct input *in, uint32_t *size);
/* A path without NUL, copied; sets bad if it is too long. */
void get_path(struct input *in, char path[PATH_BYTES]);
void get_attributes(struct input *in, struct attributes *attributes);

void put_u32(struct output *out, uint32_t value);
void put_u64(struct output *out, uint64_t value);
void put_string(struct output *out, const void *bytes, size_t size);
void put_text(struct output *out, const char *text);
void put_attributes(struct output *out, const struct stat *info);
/* Text of one entry as ls -l shows it. */
void put_long_name(struct output *out, const char *name, const struct stat *info);

/* Files below the root that the process serves; each returns -1 with errno. */
int files_enter(int argc, char **argv);
int files_open(const char *path, int flags, mode_t mode);
int files_open_directory(const char *path);
int files_stat(const char *path, int follow, struct stat *info);
int files_set(const char *path, int follow, const struct attributes *attributes);
int files_set_open(int fd, const struct attributes *attributes);
int files_remove(const char *path, int directory);
int files_make_directory(const char *path, mode_t mode);
int files_make_link(const char *path, const char *target);
int files_hard_link(const char *from, const char *to);
int files_rename(const char *from, const char *to, int replace);
ssize_t files_read_link(const char *path, char *target, size_t size);
int files_real_path(const char *path, char real[PATH_BYTES]);

#endif
