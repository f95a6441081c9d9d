/** libc as a table; each entry quotes its C prototype. Only wrappers in this folder call it. */

export const LIBC = {
  // int umount2(const char *target, int flags)
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  umount2_aside: {
    name: "umount2",
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  // int open(const char *path, int flags, mode_t mode)
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  // int openat(int dirfd, const char *path, int flags, mode_t mode)
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  // int close(int fd)
  close: { parameters: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count)
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  // void free(void *memory)
  free: { parameters: ["pointer"], result: "void" },
  // int pipe2(int fds[2], int flags)
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  // int socket(int domain, int type, int protocol)
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int socketpair(int domain, int type, int protocol, int fds[2])
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int memfd_create(const char *name, unsigned int flags)
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // int fcntl(int fd, int cmd, long arg)
  fcntl: { parameters: ["i32", "i32", "i64"], result: "i32" },
  // int ioctl(int fd, unsigned long request, void *arg)
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  // the same with a number for the argument
  ioctl_number: { name: "ioctl", parameters: ["i32", "u64", "i64"], result: "i32" },
  // int poll(struct pollfd *fds, nfds_t count, int timeout_ms); waits on a thread of Deno's pool
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  // the same for a look without waiting
  poll_now: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32" },
  // int mkdirat(int dirfd, const char *path, mode_t mode)
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int renameat2(int dirfd, const char *path, int newdirfd, const char *newpath, unsigned flags)
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  // int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  // int fstatfs(int fd, struct statfs *buf)
  fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
  // int statfs(const char *path, struct statfs *buf)
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  // int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // pid_t waitpid(pid_t pid, int *status, int options)
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
  //                 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  // int posix_spawn_file_actions_adddup2(actions, int fd, int newfd)
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  // int posix_spawn_file_actions_addclosefrom_np(actions, int from)
  posix_spawn_file_actions_addclosefrom_np: { parameters: ["buffer", "i32"], result: "i32" },
  // int posix_spawnattr_init(posix_spawnattr_t *attr)
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  // int posix_spawnattr_setflags(attr, short flags)
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  // int posix_spawnattr_setsigmask(attr, const sigset_t *mask), ..._setsigdefault
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  // long syscall(long number, ...), one row per shape
  syscall: {
    parameters: ["i64", "i64", "buffer", "i64", "buffer", "i64"],
    result: "i64",
  },
  // int *__errno_location(void)
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `syscall` again for calls whose second and third arguments are both plain numbers. */
export const SYSCALL_NUMBERS = {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `syscall` whose second argument is text: fsopen. */
export const SYSCALL_TEXT_FIRST = {
  syscall: { parameters: ["i64", "buffer", "i64", "i64", "i64", "i64"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `syscall` for openat2(dirfd, path, how, size). */
export const SYSCALL_OPENAT2 = {
  syscall: { parameters: ["i64", "i64", "buffer", "buffer", "i64"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `syscall` for fsconfig(fd, cmd, key, value, aux) with a text value. */
export const SYSCALL_FSCONFIG = {
  syscall: { parameters: ["i64", "i64", "i64", "buffer", "buffer", "i64"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `syscall` for move_mount(from_fd, from_path, to_fd, to_path, flags) has the shape of LIBC.syscall. */

/** Numbers that are the same on x86_64 and aarch64. @see asm/unistd_64.h, asm-generic/unistd.h */
export const SYS = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  openat2: 437,
  mount_setattr: 442,
} as const;
