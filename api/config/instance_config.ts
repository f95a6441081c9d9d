/** Check a whole instance configuration against the key tables. Pure. */
import { Fault, messageOf } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { isTrue } from "#base/units.ts";
import { INSTANCE_KEY_PREFIXES, INSTANCE_KEYS, TYPE_CHECK } from "./instance_keys.ts";
import type { InstanceKey } from "./instance_key.ts";
import { hardwareAddress, VOLATILE_DEVICE_SUFFIXES, VOLATILE_KEYS } from "./volatile_keys.ts";

export type Config = Readonly<Record<string, string>>;

type Where = "profile" | "container" | "expanded";

/** The row of a key, undefined for a volatile or an unknown one. */
export function findInstanceKey(key: string): InstanceKey | undefined {
  if (Object.hasOwn(INSTANCE_KEYS, key)) return INSTANCE_KEYS[key as keyof typeof INSTANCE_KEYS];
  for (const [prefix, row] of Object.entries(INSTANCE_KEY_PREFIXES)) {
    if (!key.startsWith(prefix)) continue;
    const { ending = /^\P{Cc}+$/u, endings }: InstanceKey = row;
    const rest = key.slice(prefix.length);
    if (endings?.includes(rest) ?? ending.test(rest)) return row;
  }
  return undefined;
}

/**
 * Check every key and value, then the rules between keys.
 *
 * @param where "profile": volatile and image keys are refused there. "container": its own keys, those of
 * virtual machines are refused there. "expanded": with those of its profiles, which may have them.
 * @throws {Fault} bad_request naming the key, the value and what is allowed.
 */
export function checkInstanceConfig(config: Config, where: Where): void {
  for (const [key, value] of Object.entries(config)) checkKey(key, value, where);
  checkTogether(config);
}

function checkKey(key: string, value: string, where: Where): void {
  if (key.startsWith("volatile.") || key.startsWith("image.")) {
    if (where === "profile") {
      const kind = key.startsWith("volatile.") ? "Volatile" : "Image";
      throw new Fault("bad_request", `${kind} keys can only be set on instances: "${key}"`);
    }
  }
  if (key.startsWith("volatile.")) return checkVolatile(key, value);
  const row = findInstanceKey(key);
  if (row === undefined) throw unknownKey(key);
  if (where === "container" && row.scope === "virtual-machine") {
    throw new Fault("bad_request", `Unknown configuration key: ${key}`, {
      hint: "It is for virtual machines; a profile may have it.",
    });
  }
  if (value === "") return; // Unset.
  try {
    row.check?.(value); // First: it says more of what is allowed than the type.
    TYPE_CHECK[row.type](value);
  } catch (error) {
    throw new Fault("bad_request", `Invalid value for config key "${key}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function checkVolatile(key: string, value: string): void {
  const row = Object.hasOwn(VOLATILE_KEYS, key) ? VOLATILE_KEYS[key] : undefined;
  if (row === undefined) {
    const isDeviceKey = VOLATILE_DEVICE_SUFFIXES.some((suffix) => key.endsWith(`.${suffix}`));
    if (!isDeviceKey) throw unknownKey(key);
  }
  const check = row?.check ?? (key.endsWith(".hwaddr") ? hardwareAddress : undefined);
  if (value === "") return;
  try {
    check?.(value);
  } catch (error) {
    throw new Fault("bad_request", `Invalid value for config key "${key}": ${messageOf(error)}`);
  }
}

const KNOWN_KEYS = [
  ...Object.keys(INSTANCE_KEYS),
  ...Object.keys(VOLATILE_KEYS),
  ...Object.entries<InstanceKey>(INSTANCE_KEY_PREFIXES).flatMap(([prefix, { endings = [] }]) =>
    endings.map((ending) => prefix + ending)
  ),
];

function unknownKey(key: string): Fault {
  const near = suggest(key, KNOWN_KEYS);
  return new Fault("bad_request", `Unknown configuration key: ${key}`, {
    hint: near === undefined
      ? 'Free-form data goes into keys that begin with "user."'
      : `Did you mean "${near}"?`,
  });
}

const SYSCALL_ALLOW = ["security.syscalls.allow", "security.syscalls.whitelist"];
const SYSCALL_DENY = [
  "security.syscalls.deny",
  "security.syscalls.deny_default",
  "security.syscalls.deny_compat",
  "security.syscalls.blacklist",
  "security.syscalls.blacklist_default",
  "security.syscalls.blacklist_compat",
];

/** Rules that concern two keys. @throws {Fault} bad_request */
function checkTogether(config: Config): void {
  const isSet = (key: string) => (config[key] ?? "") !== "";
  if (isSet("raw.seccomp") && [...SYSCALL_ALLOW, ...SYSCALL_DENY].some(isSet)) {
    throw new Fault("bad_request", "raw.seccomp is mutually exclusive with security.syscalls*");
  }
  const deny = SYSCALL_DENY.find(isSet);
  if (SYSCALL_ALLOW.some(isSet) && deny !== undefined) {
    throw new Fault(
      "bad_request",
      "security.syscalls.allow is mutually exclusive with security.syscalls.deny*",
      { hint: `Unset "${deny}".` },
    );
  }
  if (isTrue(config["security.privileged"]) && isTrue(config["nvidia.runtime"])) {
    throw new Fault("bad_request", "nvidia.runtime is incompatible with privileged containers");
  }
  if (isSet("raw.lxc")) checkRawLxc(config["raw.lxc"] ?? "");
}

const RAW_LXC_REFUSED: Readonly<Record<string, string>> = {
  "lxc.logfile": "the log belongs to the daemon",
  "lxc.log.file": "the log belongs to the daemon",
  "lxc.syslog": "the log belongs to the daemon",
  "lxc.log.syslog": "the log belongs to the daemon",
  "lxc.ephemeral": "use an ephemeral instance instead",
};

/**
 * raw.lxc may not take over what the daemon relies on.
 *
 * @throws {Fault} bad_request naming the line.
 */
function checkRawLxc(text: string): void {
  for (const rawLine of text.split("\n")) {
    const line = rawLine.trim();
    if (line === "" || line.startsWith("#")) continue;
    const equals = line.indexOf("=");
    if (equals < 0) throw new Fault("bad_request", `Invalid raw.lxc line: ${line}`);
    const key = line.slice(0, equals).trim().toLowerCase();
    const why = RAW_LXC_REFUSED[key];
    if (why !== undefined) throw new Fault("bad_request", `Setting ${key} is not allowed: ${why}`);
    if (/^lxc\.(net|network)(\.|$)/.test(key) && !isNicAddressKey(key)) {
      throw new Fault(
        "bad_request",
        `Only interface-specific ipv4/ipv6 lxc.net keys are allowed, not "${key}"`,
        { hint: "Network interfaces are devices of type nic." },
      );
    }
  }
}

function isNicAddressKey(key: string): boolean {
  return /^lxc\.(net|network)\.\d+\.ipv[46](\.address|\.gateway)?$/.test(key);
}
