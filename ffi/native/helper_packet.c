/* Reading and writing the fields of SFTP packets. @see draft-ietf-secsh-filexfer-02 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "helper_sftp.h"

static const unsigned char *take(struct input *in, size_t size)
{
	if (in->bad || (size_t)(in->end - in->at) < size) {
		in->bad = 1;
		return NULL;
	}
	const unsigned char *at = in->at;
	in->at += size;
	return at;
}

uint32_t get_u32(struct input *in)
{
	const unsigned char *b = take(in, 4);
	return b == NULL ? 0 : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint64_t get_u64(struct input *in)
{
	uint64_t high = get_u32(in);
	return high << 32 | get_u32(in);
}

const unsigned char *get_bytes(struct input *in, uint32_t *size)
{
	*size = get_u32(in);
	return take(in, *size);
}

void get_path(struct input *in, char path[PATH_BYTES])
{
	uint32_t size;
	const unsigned char *bytes = get_bytes(in, &size);
	path[0] = '\0';
	if (bytes == NULL || size >= PATH_BYTES || memchr(bytes, '\0', size) != NULL) {
		in->bad = 1;
		return;
	}
	memcpy(path, bytes, size);
	path[size] = '\0';
}

void get_attributes(struct input *in, struct attributes *attributes)
{
	memset(attributes, 0, sizeof *attributes);
	attributes->flags = get_u32(in);
	if ((attributes->flags & ATTR_SIZE) != 0)
		attributes->size = get_u64(in);
	if ((attributes->flags & ATTR_UIDGID) != 0) {
		attributes->uid = get_u32(in);
		attributes->gid = get_u32(in);
	}
	if ((attributes->flags & ATTR_PERMISSIONS) != 0)
		attributes->mode = get_u32(in);
	if ((attributes->flags & ATTR_ACMODTIME) != 0) {
		attributes->atime = get_u32(in);
		attributes->mtime = get_u32(in);
	}
}

void put_u32(struct output *out, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		out->bytes[out->size++] = (unsigned char)(value >> shift);
}

void put_u64(struct output *out, uint64_t value)
{
	put_u32(out, (uint32_t)(value >> 32));
	put_u32(out, (uint32_t)value);
}

void put_string(struct output *out, const void *bytes, size_t size)
{
	put_u32(out, (uint32_t)size);
	memcpy(out->bytes + out->size, bytes, size);
	out->size += size;
}

void put_text(struct output *out, const char *text)
{
	put_string(out, text, strlen(text));
}

void put_attributes(struct output *out, const struct stat *info)
{
	put_u32(out, ATTR_SIZE | ATTR_UIDGID | ATTR_PERMISSIONS | ATTR_ACMODTIME);
	put_u64(out, (uint64_t)info->st_size);
	put_u32(out, info->st_uid);
	put_u32(out, info->st_gid);
	put_u32(out, info->st_mode);
	put_u32(out, (uint32_t)info->st_atime);
	put_u32(out, (uint32_t)info->st_mtime);
}

static char kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISCHR(mode) ? 'c' : S_ISBLK(mode) ? 'b' :
		S_ISFIFO(mode) ? 'p' : S_ISSOCK(mode) ? 's' : '-';
}

void put_long_name(struct output *out, const char *name, const struct stat *info)
{
	char line[512], rights[11] = "-rwxrwxrwx", date[32] = "";
	struct tm time;
	rights[0] = kind_of(info->st_mode);
	for (int bit = 0; bit < 9; bit++)
		if ((info->st_mode >> (8 - bit) & 1) == 0)
			rights[bit + 1] = '-';
	if (gmtime_r(&info->st_mtime, &time) != NULL)
		strftime(date, sizeof date, "%b %e  %Y", &time);
	snprintf(line, sizeof line, "%s %4lu %-8u %-8u %8lld %s %s", rights,
		 (unsigned long)info->st_nlink, info->st_uid, info->st_gid, (long long)info->st_size, date,
		 name);
	put_text(out, line);
}
