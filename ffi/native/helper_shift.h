/* Between the files of the verb `shift`. */
#ifndef LXD_HELPER_SHIFT_H
#define LXD_HELPER_SHIFT_H

#include <stdio.h>

/* In double quotes, as Go's %q: what could confuse a terminal or a script is escaped. */
void print_quoted(FILE *stream, const char *text);

#endif
