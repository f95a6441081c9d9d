/** Facts + configuration -> lxc.conf. Pure: golden tests pin what containers get. */
import type { HostPath } from "#base/brand.ts";
import { isTrue } from "#base/units.ts";
import { versionOf } from "#daemon/cgroup/layout.ts";
import { LIMIT_GROUPS, lxcLine, planLimits } from "#daemon/cgroup/limits.ts";
import { lxcIdmap } from "#daemon/idmap/format.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { architectureName, type Config } from "./record.ts";
import { FIXED_DIRECTORIES, FIXED_NODES, type HostFacts } from "./facts.ts";

export type LxcLine = readonly [key: string, value: string];

export interface StartInput {
  readonly name: string;
  readonly architecture: number;
  /** Expanded. */
  readonly config: Config;
  readonly facts: HostFacts;
  readonly idmap: IdMap | null;
  readonly root: { readonly path: HostPath; readonly lxcIdmap: boolean };
  readonly logs: HostPath;
  /** Name of the loaded AppArmor profile; undefined: the kernel has none. */
  readonly appArmorProfile: string | undefined;
  /** Undefined: no filter. */
  readonly seccompProfile: HostPath | undefined;
  /** Where intercepted system calls go, with what names the container there; undefined: none. */
  readonly interception: { readonly socket: HostPath; readonly policy: HostPath } | undefined;
  /** Directory of the devlxd socket, undefined if it is not served. */
  readonly devlxd: HostPath | undefined;
  /** Program and arguments that tell the daemon of the end. */
  readonly stopHook: readonly string[];
  /** CPUs that the balance gives it; undefined: all. */
  readonly cpuset: string | undefined;
  /** What devices add, in their order. */
  readonly devices: readonly {
    readonly lxc?: readonly LxcLine[];
    readonly cgroupAllow?: readonly string[];
  }[];
}

/** The text of lxc.conf. */
export function lxcConfig(input: StartInput): string {
  const lines = [
    ...logLines(input),
    ...mountLines(input),
    ...identityLines(input),
    ...confinementLines(input),
    ...environmentLines(input.config),
    ...kernelLines(input.config),
    ...limitLines(input),
    ...deviceLines(input),
    ...rootLines(input),
  ];
  const raw = input.config["raw.lxc"] ?? "";
  const text = lines.map(([key, value]) => `${key} = ${oneLine(value)}\n`).join("");
  return raw === "" ? text : `${text}${raw.trimEnd()}\n`;
}

/** A value can't begin a line of its own. */
function oneLine(value: string): string {
  return value.replace(/[\r\n\0]/g, " ");
}

function logLines({ logs }: StartInput): LxcLine[] {
  return [
    ["lxc.log.file", `${logs}/lxc.log`],
    ["lxc.log.level", "warn"],
    ["lxc.console.buffer.size", "auto"],
    ["lxc.console.size", "auto"],
    ["lxc.console.logfile", `${logs}/console.log`],
  ];
}

function mountLines({ config, facts, idmap }: StartInput): LxcLine[] {
  const isPrivileged = idmap === null;
  const isNesting = isTrue(config["security.nesting"]);
  // Without a user namespace only read-only mounts keep /proc/sys and /sys from being written.
  const mode = isPrivileged && !facts.isInUserNamespace ? "mixed" : "rw";
  const cgroup = cgroupMount(facts, isNesting);
  const lines: LxcLine[] = [
    ["lxc.mount.auto", `proc:${mode} sys:${mode} ${cgroup}`],
    ["lxc.autodev", "1"],
    ["lxc.pty.max", "1024"],
    ["lxc.tty.max", "0"],
  ];
  const add = (source: string, target: string, type: string, options: string) =>
    lines.push(["lxc.mount.entry", `${source} ${target} ${type} ${options} 0 0`]);
  for (const path of FIXED_NODES) {
    if (facts.existing.has(path)) add(path, path.slice(1), "none", "bind,create=file,optional");
  }
  for (const path of FIXED_DIRECTORIES) {
    // Root of a privileged container is root of the host there, and no AppArmor stands before it.
    if (isPrivileged && !facts.hasAppArmor && path.startsWith("/sys/")) continue;
    if (facts.existing.has(path)) add(path, path.slice(1), "none", "rbind,create=dir,optional");
  }
  add("mqueue", "dev/mqueue", "mqueue", "rw,relatime,create=dir,optional");
  for (const path of facts.lxcfs) add(`/var/lib/lxcfs/${path}`, path, "none", "bind,optional");
  if (isPrivileged && !facts.hasAppArmor) {
    for (const path of ["proc/kcore", "proc/sysrq-trigger"]) {
      add("/dev/null", path, "none", "bind,optional");
    }
  }
  if (isNesting) {
    // Fresh ones, without anything mounted over, let the kernel allow mounts of proc and sys inside.
    add("proc", "dev/.lxc/proc", "proc", "create=dir,optional");
    add("sys", "dev/.lxc/sys", "sysfs", "create=dir,optional");
  }
  return lines;
}

function cgroupMount(facts: HostFacts, isNesting: boolean): string {
  const isUnified = Object.keys(facts.layout.v1).length === 0;
  if (facts.hasCgroupNamespaces && isUnified) return "cgroup:rw:force";
  return isNesting ? "cgroup:mixed:force" : "cgroup:mixed";
}

function identityLines(input: StartInput): LxcLine[] {
  const lines: LxcLine[] = [
    ["lxc.arch", personality(input.architecture)],
    ["lxc.hook.version", "1"],
    ["lxc.hook.post-stop", input.stopHook.join(" ")],
    ["lxc.uts.name", input.name],
  ];
  if (input.devlxd !== undefined) {
    lines.push(["lxc.mount.entry", `${input.devlxd} dev/lxd none bind,create=dir 0 0`]);
  }
  return lines;
}

function personality(architecture: number): string {
  const name = architectureName(architecture);
  return name === "i686" || name === "armv7l" || name === "ppc" ? "linux32" : "linux64";
}

function confinementLines(
  { idmap, appArmorProfile, seccompProfile, interception }: StartInput,
): LxcLine[] {
  const lines: LxcLine[] = [];
  // In a user namespace these reach nothing of the host; LXD leaves them too.
  const dropped = "sys_time sys_module sys_rawio mac_admin mac_override";
  if (idmap === null) lines.push(["lxc.cap.drop", dropped]);
  if (appArmorProfile !== undefined) lines.push(["lxc.apparmor.profile", appArmorProfile]);
  if (seccompProfile !== undefined) {
    lines.push(["lxc.seccomp.profile", seccompProfile]);
    // Else liblxc drops it silently where a filter holds already: the helper's, or of an outer container.
    lines.push(["lxc.seccomp.allow_nesting", "1"]);
  }
  if (interception !== undefined) {
    lines.push(["lxc.seccomp.notify.proxy", `unix:${interception.socket}`]);
    lines.push(["lxc.seccomp.notify.cookie", interception.policy]);
  }
  for (const value of idmap === null ? [] : lxcIdmap(idmap)) lines.push(["lxc.idmap", value]);
  return lines;
}

function environmentLines(config: Config): LxcLine[] {
  const lines: LxcLine[] = [];
  for (const [key, value] of Object.entries(config)) {
    if (!key.startsWith("environment.") || value === "") continue;
    lines.push(["lxc.environment", `${key.slice("environment.".length)}=${value}`]);
  }
  return lines;
}

/** limits.kernel.* and linux.sysctl.* */
function kernelLines(config: Config): LxcLine[] {
  const lines: LxcLine[] = [];
  for (const [key, value] of Object.entries(config)) {
    if (value === "") continue;
    if (key.startsWith("limits.kernel.")) {
      lines.push([`lxc.prlimit.${key.slice("limits.kernel.".length)}`, value]);
    } else if (key.startsWith("linux.sysctl.")) {
      lines.push([`lxc.sysctl.${key.slice("linux.sysctl.".length)}`, value]);
    }
  }
  return lines;
}

function limitLines({ config, facts, cpuset }: StartInput): LxcLine[] {
  const lines = LIMIT_GROUPS.flatMap((group) =>
    planLimits(group, config, facts.limits, false).filter((write) => !write.isOptional)
  ).map(lxcLine);
  const version = versionOf(facts.layout, "cpuset");
  if (cpuset !== undefined && version !== undefined) {
    lines.push([`lxc.cgroup${version === 2 ? "2" : ""}.cpuset.cpus`, cpuset]);
  }
  return lines;
}

/** Device nodes that every container may use. */
export const ALLOWED_NODES = [
  "b *:* m",
  "c *:* m",
  "c 136:* rwm",
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:0 rwm",
  "c 5:1 rwm",
  "c 5:2 rwm",
  "c 10:229 rwm",
  "c 10:200 rwm",
] as const;

function deviceLines({ facts, devices }: StartInput): LxcLine[] {
  const lines: LxcLine[] = [];
  if (!facts.isInUserNamespace) {
    const prefix = facts.layout.v1["devices"] === undefined ? "lxc.cgroup2" : "lxc.cgroup";
    lines.push([`${prefix}.devices.deny`, "a"]);
    const rules = [...ALLOWED_NODES, ...devices.flatMap((device) => device.cgroupAllow ?? [])];
    for (const rule of rules) lines.push([`${prefix}.devices.allow`, rule]);
  }
  let nics = 0;
  for (const { lxc = [] } of devices) {
    const isNic = lxc.some(([key]) => key.includes("{n}"));
    for (const [key, value] of lxc) lines.push([key.replace("{n}", String(nics)), value]);
    if (isNic) nics++;
  }
  return lines;
}

function rootLines({ root }: StartInput): LxcLine[] {
  return [
    ["lxc.rootfs.path", `dir:${root.path}`],
    ...(root.lxcIdmap ? [["lxc.rootfs.options", "idmap=container"] as const] : []),
  ];
}
