/* Verbs of the helper. Each gets the arguments behind its name and returns the exit status. */
#ifndef LXD_HELPER_H
#define LXD_HELPER_H

struct lxc_container;

int verb_confine(int argc, char **argv);
int verb_dump(int argc, char **argv);
int verb_exec(int argc, char **argv);
int verb_hook(int argc, char **argv);
int verb_mount(int argc, char **argv);
int verb_net(int argc, char **argv);
int verb_project(int argc, char **argv);
int verb_proxy(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_sftp(int argc, char **argv);
int verb_seccomp(int argc, char **argv);
int verb_shift(int argc, char **argv);
int verb_start(int argc, char **argv);
int verb_uevent(int argc, char **argv);
int verb_uevents(int argc, char **argv);
int verb_umount(int argc, char **argv);
int verb_userns(int argc, char **argv);
int verb_xtables(int argc, char **argv);

/* What is started or restored next: <lxcpath> <name> <config file>. NULL if that can't be, which it has said. */
struct lxc_container *open_container(char **argv);

/* A whole non-negative number of at most 31 bits; -1 for anything else. */
int parse_number(const char *text);

/* Refuse the calls of 32-bit programs, see helper_native.c. -1 if the kernel can't; it has said so. */
int refuse_other_abis(void);

/* Exit status of a wrong call. */
enum { USAGE = 64 };

#endif
