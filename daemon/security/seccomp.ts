/** The seccomp policy of a container in liblxc's format, version 2. Pure. @see lxc.container.conf(5) */
import { listOf } from "#base/list.ts";
import { isFalse, isTrue } from "#base/units.ts";

type Config = Readonly<Record<string, string>>;

/** System calls that no container needs and that reach the host. They look unimplemented (ENOSYS). */
const DENIED = [
  "kexec_load",
  "open_by_handle_at",
  "init_module",
  "finit_module",
  "delete_module",
] as const;
const ENOSYS = 38;

/** A key of security.syscalls., or its old name. */
const valueOf = (config: Config, name: string, oldName: string) =>
  config[`security.syscalls.${name}`] ?? config[`security.syscalls.${oldName}`] ?? "";

/**
 * Whether it may not call the kernel as 32-bit programs do. liblxc's policies can't say so (a rule for
 * another architecture holds for this one too): the helper has a filter of its own for that.
 */
export const deniesCompat = (config: Config): boolean =>
  isTrue(valueOf(config, "deny_compat", "blacklist_compat"));

/** The text of security/seccomp/<instance>, undefined if nothing is to be filtered. */
export function seccompPolicy(config: Config): string | undefined {
  const raw = config["raw.seccomp"] ?? "";
  if (raw !== "") return raw.endsWith("\n") ? raw : raw + "\n";
  const value = (name: string, oldName: string) => valueOf(config, name, oldName);
  const allow = value("allow", "whitelist");
  if (allow !== "") return policy("allowlist", [...section("all", allow.split("\n"))]);
  const lines: string[] = [];
  if (!isFalse(value("deny_default", "blacklist_default"))) {
    lines.push(
      "reject_force_umount  # umount -f would reach the host",
      ...section("all", DENIED.map((name) => `${name} errno ${ENOSYS}`)),
    );
  }
  lines.push(...section("all", interceptedCalls(config).map((name) => `${name} notify`)));
  const deny = value("deny", "blacklist");
  if (deny !== "") lines.push(...section("all", deny.split("\n")));
  return lines.length === 0 ? undefined : policy("denylist", lines);
}

/** Key -> system calls that the daemon's helper answers, and the words of its policy for them. */
const INTERCEPTS: Readonly<Record<string, readonly string[]>> = {
  mknod: ["mknod", "mknodat"],
  setxattr: ["setxattr"],
  mount: ["mount"],
  sched_setscheduler: ["sched_setscheduler"],
};

const isOn = (config: Config, name: string) =>
  isTrue(config[`security.syscalls.intercept.${name}`]) &&
  !isTrue(config["security.privileged"]);

/** System calls that go to the helper; a privileged container may do them itself. */
export function interceptedCalls(config: Config): string[] {
  return Object.entries(INTERCEPTS).flatMap(([name, calls]) => isOn(config, name) ? calls : []);
}

/** What the helper may do for a container: words. @see ffi/native/helper_seccomp.c */
export function interceptionPolicy(config: Config): string {
  const words = Object.keys(INTERCEPTS).filter((name) => name !== "mount" && isOn(config, name));
  if (isOn(config, "mount")) {
    const types = listOf(config["security.syscalls.intercept.mount.allowed"]);
    words.push(...types.map((type) => `mount:${type}`));
    const programs = listOf(config["security.syscalls.intercept.mount.fuse"]);
    words.push(...programs.map((pair) => `fuse:${pair}`));
    if (isTrue(config["security.syscalls.intercept.mount.shift"])) words.push("shift");
  }
  return words.map((word) => `${word}\n`).join("");
}

function policy(kind: "allowlist" | "denylist", lines: readonly string[]): string {
  return ["2", kind, ...lines].join("\n") + "\n";
}

/** A line that opens a section of its own stays as it is: users write them too. */
function section(architecture: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`[${architecture}]`, ...lines.map((line) => line.trim()).filter((line) => line !== "")];
}
