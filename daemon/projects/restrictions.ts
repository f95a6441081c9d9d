/** What instances and profiles of a restricted project may say. Pure. */
import { PROJECT_KEYS } from "#api/config/project_keys.ts";
import { Fault } from "#base/errors.ts";
import { listOf } from "#base/list.ts";
import { isTrue } from "#base/units.ts";
import { refusedDevice } from "./restricted_devices.ts";
import type { Configured, ProjectContent } from "./content.ts";

type Config = Readonly<Record<string, string>>;

/** Low-level keys: who sets them can leave the container. */
const LOW_LEVEL = [
  "boot.host_shutdown_timeout",
  "limits.memory.swap",
  "linux.kernel_modules",
  "raw.apparmor",
  "raw.idmap",
  "raw.lxc",
  "raw.seccomp",
  "security.devlxd.images",
  "security.idmap.base",
  "security.idmap.size",
];
const LOW_LEVEL_PREFIXES = [
  "limits.kernel.",
  "linux.sysctl.",
  "security.syscalls.allow",
  "security.syscalls.blacklist",
  "security.syscalls.deny",
  "security.syscalls.whitelist",
];
const LOW_LEVEL_VM = ["raw.qemu"];
/** Of interception, these reach further than the container itself. */
const UNSAFE_INTERCEPTION = [
  "security.syscalls.intercept.mount.allowed",
  "security.syscalls.intercept.mount.shift",
];

/** Value of a restriction: its default if it is not set. */
function restrictionOf(project: Config, key: string): string {
  return project[`restricted.${key}`] || PROJECT_KEYS[`restricted.${key}`]?.default || "";
}

/** @throws {Fault} bad_request naming the instance or profile, the key, and the restriction. */
export function checkRestrictions(content: ProjectContent): void {
  const { config, name } = content.project;
  if (!isTrue(config["restricted"])) return;
  for (const instance of content.instances) {
    requireIsolation(config, instance);
    checkOne(config, `instance "${instance.name}" of project "${name}"`, instance);
  }
  for (const profile of content.profiles) {
    checkOne(config, `profile "${profile.name}" of project "${name}"`, profile);
  }
}

function checkOne(project: Config, subject: string, one: Configured): void {
  for (const [key, value] of Object.entries(one.config)) {
    const why = refusedKey(project, key, value);
    if (why === undefined) continue;
    throw new Fault(
      "bad_request",
      `Invalid value "${value}" for config "${key}" on ${subject}: ${why}`,
    );
  }
  for (const [device, options] of Object.entries(one.devices)) {
    const why = refusedDevice(project, options);
    if (why === undefined) continue;
    throw new Fault("bad_request", `Invalid device "${device}" on ${subject}: ${why}`);
  }
}

/** Why a key may not have that value; undefined if it may. */
function refusedKey(project: Config, key: string, value: string): string | undefined {
  const is = (restriction: string, ...words: string[]) =>
    words.includes(restrictionOf(project, restriction));
  if (key === "security.nesting" && isTrue(value) && !is("containers.nesting", "allow")) {
    return "Container nesting is forbidden";
  }
  if (key === "security.privileged" && isTrue(value) && !is("containers.privilege", "allow")) {
    return "Privileged containers are forbidden";
  }
  if (key.startsWith("security.syscalls.intercept.")) {
    return refusedInterception(project, key, value);
  }
  if (key === "raw.idmap" && isWithinIds(project, value)) return undefined;
  const isLow = LOW_LEVEL.includes(key) || LOW_LEVEL_PREFIXES.some((one) => key.startsWith(one));
  const isForbidden = (isLow && !is("containers.lowlevel", "allow")) ||
    (LOW_LEVEL_VM.includes(key) && !is("virtual-machines.lowlevel", "allow"));
  return isForbidden ? "Use of low-level config is forbidden" : undefined;
}

function refusedInterception(project: Config, key: string, value: string): string | undefined {
  const allowed = restrictionOf(project, "containers.interception");
  if (value === "" || value === "false" || allowed === "full") return undefined;
  return allowed === "allow" && !UNSAFE_INTERCEPTION.includes(key)
    ? undefined
    : "Container syscall interception is forbidden";
}

/** restricted.idmap.uid and .gid name the host ids that raw.idmap may map. */
function isWithinIds(project: Config, value: string): boolean {
  const isWithin = (kind: "uid" | "gid", range: string) => {
    const [first = NaN, last = first] = range.split("-").map(Number);
    return listOf(project[`restricted.idmap.${kind}`]).some((one) => {
      const [from = NaN, to = from] = one.split("-").map(Number);
      return first >= from && last <= to;
    });
  };
  const lines = value.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.length > 0 && lines.every((line) => {
    const [kind = "", host = ""] = line.split(/\s+/);
    return (kind === "gid" || isWithin("uid", host)) && (kind === "uid" || isWithin("gid", host));
  });
}

function requireIsolation(project: Config, { name, config }: Configured): void {
  if (restrictionOf(project, "containers.privilege") !== "isolated") return;
  if (isTrue(config["security.idmap.isolated"])) return;
  throw new Fault("bad_request", `Non-isolated containers are forbidden: instance "${name}"`, {
    hint: "Set security.idmap.isolated=true.",
  });
}

/** volatile.* is for the server to set, unless low-level keys are allowed. @throws {Fault} bad_request */
export function refuseVolatile(
  project: { readonly name: string; readonly config: Config },
  given: readonly string[],
): void {
  if (!isTrue(project.config["restricted"])) return;
  if (restrictionOf(project.config, "containers.lowlevel") === "allow") return;
  const key = given.find((one) => one.startsWith("volatile."));
  if (key === undefined) return;
  throw new Fault(
    "bad_request",
    `Use of low-level config "${key}" is forbidden in project "${project.name}"`,
  );
}

/** @throws {Fault} not_authorized if the project forbids snapshots or backups. */
export function requireAllowed(
  project: { readonly name: string; readonly config: Config },
  what: "snapshots" | "backups",
): void {
  if (!isTrue(project.config["restricted"])) return;
  if (restrictionOf(project.config, what) === "allow") return;
  throw new Fault("not_authorized", `Project "${project.name}" doesn't allow for ${what}`, {
    hint: `restricted.${what}=allow permits them.`,
  });
}
