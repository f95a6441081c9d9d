/** Callers of the API for unit tests. */
import type { Caller } from "#daemon/http/caller.ts";

/** Root on the unix socket. */
export const ROOT: Caller = {
  protocol: "unix",
  uid: 0,
  gid: 0,
  pid: 1,
  username: "root",
  trusted: true,
  projects: "all",
};
