/* Paths of a container's files in messages: see helper_shift.h. */
#include <string.h>

#include "helper_shift.h"

/* Bytes of the UTF-8 character at `text`, 1 for ASCII; 0 if there is none. @see RFC 3629, 4 */
static int character_length(const unsigned char *text)
{
	unsigned char first = text[0], lowest = 0x80, highest = 0xbf;
	if (first < 0x80)
		return 1;
	int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first == 0xe0)
		lowest = 0xa0;
	if (first == 0xed)
		highest = 0x9f;
	if (first == 0xf0)
		lowest = 0x90;
	if (first == 0xf4)
		highest = 0x8f;
	if (text[1] < lowest || text[1] > highest)
		return 0;
	for (int i = 2; i < length; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return length;
}

void print_quoted(FILE *stream, const char *text)
{
	static const char names[] = "\a\b\f\n\r\t\v\"\\", letters[] = "abfnrtv\"\\";
	const unsigned char *at = (const unsigned char *)text;
	fputc('"', stream);
	while (*at != '\0') {
		const char *name = strchr(names, *at);
		int length = character_length(at);
		if (name != NULL)
			fprintf(stream, "\\%c", letters[name - names]);
		else if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0)
			fprintf(stream, "\\u00%02x", at[1]);
		else if (length == 0 || *at < 0x20 || *at == 0x7f)
			fprintf(stream, "\\x%02x", *at);
		else
			fwrite(at, 1, (size_t)length, stream);
		at += length > 0 ? length : 1;
	}
	fputc('"', stream);
}
