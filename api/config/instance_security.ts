/** Keys of instances under security.*: what a container may, and what is done for it. */
import { fusePrograms, notTrue, uint32Value } from "./instance_checks.ts";
import { CONTAINER, type InstanceKey, VM } from "./instance_key.ts";

export const SECURITY = {
  "security.devlxd": {
    type: "bool",
    default: "true",
    live: "devlxd",
    summary: "Show /dev/lxd inside the instance",
  },
  "security.devlxd.images": {
    type: "bool",
    default: "false",
    live: "nothing-to-do",
    summary: "Let the instance fetch public and cached images over /dev/lxd",
  },
  "security.idmap.base": {
    type: "int",
    check: uint32Value,
    live: "restart",
    summary: "First host id of an isolated map, instead of an automatic one",
    ...CONTAINER,
  },
  "security.idmap.isolated": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Use an id map that overlaps no other isolated instance's",
    ...CONTAINER,
  },
  "security.idmap.size": {
    type: "int",
    check: uint32Value,
    live: "restart",
    summary: "Number of ids of an isolated map",
    ...CONTAINER,
  },
  "security.nesting": {
    type: "bool",
    default: "false",
    live: "apparmor",
    summary: "Allow containers inside this container",
    ...CONTAINER,
  },
  "security.privileged": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Run without a user namespace: root inside is root of the host",
    ...CONTAINER,
  },
  "security.protection.delete": {
    type: "bool",
    default: "false",
    live: "nothing-to-do",
    summary: "Refuse to delete the instance",
  },
  "security.protection.shift": {
    type: "bool",
    default: "false",
    live: "nothing-to-do",
    summary: "Refuse to start if files would have to change their owners (here mounts map them)",
    ...CONTAINER,
  },
  "security.agent.metrics": {
    type: "bool",
    default: "true",
    live: "nothing-to-do",
    summary: "Ask the agent inside for state and metrics",
    ...VM,
  },
  "security.secureboot": {
    type: "bool",
    default: "true",
    live: "restart",
    summary: "UEFI secure boot",
    ...VM,
  },
} as const satisfies Record<string, InstanceKey>;

const syscalls = (summary: string) =>
  ({ type: "string", live: "restart", summary, ...CONTAINER }) as const satisfies InstanceKey;

const intercept = (summary: string) =>
  ({
    type: "bool",
    default: "false",
    live: "restart",
    summary,
    ...CONTAINER,
  }) as const satisfies InstanceKey;
const refused = (call: string, summary: string) =>
  ({
    type: "bool",
    default: "false",
    check: notTrue(`this server does not intercept ${call}`),
    live: "restart",
    summary: `${summary}: only false here`,
    ...CONTAINER,
  }) as const satisfies InstanceKey;

export const SYSCALLS = {
  "security.syscalls.allow": syscalls("System calls that are allowed, one per line; no others"),
  "security.syscalls.deny": syscalls("System calls that are denied, one per line"),
  "security.syscalls.deny_compat": {
    type: "bool",
    default: "false",
    live: "restart",
    summary: "Deny the system calls of 32-bit programs",
    ...CONTAINER,
  },
  "security.syscalls.deny_default": {
    type: "bool",
    default: "true",
    live: "restart",
    summary: "Deny the system calls that no container needs",
    ...CONTAINER,
  },
  "security.syscalls.whitelist": syscalls("Old name of security.syscalls.allow"),
  "security.syscalls.blacklist": syscalls("Old name of security.syscalls.deny"),
  "security.syscalls.blacklist_compat": {
    type: "bool",
    live: "restart",
    summary: "Old name of security.syscalls.deny_compat",
    ...CONTAINER,
  },
  "security.syscalls.blacklist_default": {
    type: "bool",
    live: "restart",
    summary: "Old name of security.syscalls.deny_default",
    ...CONTAINER,
  },
  "security.syscalls.intercept.bpf": refused("bpf()", "Handle bpf() for the container"),
  "security.syscalls.intercept.bpf.devices": refused("bpf()", "Load its device cgroup programs"),
  "security.syscalls.intercept.mknod": intercept("Make harmless device nodes for the container"),
  "security.syscalls.intercept.mount": intercept("Mount file systems of block devices for it"),
  "security.syscalls.intercept.mount.allowed": {
    type: "string",
    live: "interception",
    summary: "File systems that may be mounted for it, separated by commas",
    ...CONTAINER,
  },
  "security.syscalls.intercept.mount.fuse": {
    type: "string",
    check: fusePrograms,
    live: "interception",
    summary: "Programs inside that mount file systems by FUSE, as ext4=fuse2fs, between commas",
    ...CONTAINER,
  },
  "security.syscalls.intercept.mount.shift": {
    type: "bool",
    default: "false",
    live: "interception",
    summary: "Map the ids of what is mounted for it",
    ...CONTAINER,
  },
  "security.syscalls.intercept.sched_setscheduler": intercept("Set real-time priorities for it"),
  "security.syscalls.intercept.setxattr": intercept("Set the mark of opaque overlay directories"),
} as const satisfies Record<string, InstanceKey>;
