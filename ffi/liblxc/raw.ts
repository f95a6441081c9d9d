/** liblxc as a table; each entry quotes its C prototype. @see lxc/lxccontainer.h */

export const LIBLXC = {
  // struct lxc_container *lxc_container_new(const char *name, const char *configpath)
  lxc_container_new: { parameters: ["buffer", "buffer"], result: "pointer" },
  // int lxc_container_put(struct lxc_container *c)
  lxc_container_put: { parameters: ["pointer"], result: "i32" },
  // const char *lxc_get_version(void)
  lxc_get_version: { parameters: [], result: "pointer" },
  // bool lxc_has_api_extension(const char *extension)
  lxc_has_api_extension: { parameters: ["buffer"], result: "bool" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Members of struct lxc_container in order, with their sizes on LP64; the same from 4.0.6 to 5.0.3,
 * later versions only append. ffi_layout_test.ts compares the offsets with the C header.
 */
export const OFFSET = {
  state: 88,
  freeze: 104,
  unfreeze: 112,
  init_pid: 120,
  load_config: 128,
  stop: 152,
  set_cgroup_item: 320,
  console_getfd: 352,
  console_log: 504,
  devpts_fd: 560,
} as const;

/** Signatures of the members, without the container itself. */
export const METHODS = {
  // const char *(*state)(c)
  state: { parameters: ["pointer"], result: "pointer", nonblocking: true },
  // bool (*freeze)(c), bool (*unfreeze)(c), bool (*stop)(c)
  freeze: { parameters: ["pointer"], result: "bool", nonblocking: true },
  unfreeze: { parameters: ["pointer"], result: "bool", nonblocking: true },
  stop: { parameters: ["pointer"], result: "bool", nonblocking: true },
  // pid_t (*init_pid)(c)
  init_pid: { parameters: ["pointer"], result: "i32", nonblocking: true },
  // bool (*load_config)(c, const char *alt_file)
  load_config: { parameters: ["pointer", "buffer"], result: "bool" },
  // bool (*set_cgroup_item)(c, const char *subsys, const char *value)
  set_cgroup_item: {
    parameters: ["pointer", "buffer", "buffer"],
    result: "bool",
    nonblocking: true,
  },
  // int (*console_getfd)(c, int *ttynum, int *ptxfd)
  console_getfd: { parameters: ["pointer", "buffer", "buffer"], result: "i32", nonblocking: true },
  // int (*console_log)(c, struct lxc_console_log *log)
  console_log: { parameters: ["pointer", "buffer"], result: "i32", nonblocking: true },
  // int (*devpts_fd)(c)
  devpts_fd: { parameters: ["pointer"], result: "i32", nonblocking: true },
} as const;
