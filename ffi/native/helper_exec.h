#ifndef LXD_HELPER_EXEC_H
#define LXD_HELPER_EXEC_H

/* Run the one program that is asked for on a status socket, with this process's standard streams: helper_exec.c */
int run_asked(int status_fd);

#endif
