/* Between the verbs that go through a tree: `shift`, `project`. */
#ifndef LXD_HELPER_SHIFT_H
#define LXD_HELPER_SHIFT_H

#include <stdio.h>
#include <sys/stat.h>

/* In double quotes, as Go's %q: what could confuse a terminal or a script is escaped. */
void print_quoted(FILE *stream, const char *text);

/*
 * Visit a directory (or file) and all in it that is on its mount, each file once. `fd` is O_PATH. The
 * tree may be a container's: no link is followed, each file is held before it is looked at.
 * 0, or -1 after a word on stderr.
 */
int walk_tree(const char *top, int (*visit)(int fd, const struct stat *found, const char *path));

/* -1, after a word on stderr about errno. */
int walk_failed(const char *what, const char *path);

#endif
