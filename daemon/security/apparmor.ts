/**
 * The AppArmor profile of a container, built from rows; each relaxation has its reason. Pure.
 *
 * What keeps an unprivileged container in is its user namespace; the profile is the second wall. Of a
 * privileged one it is the first: there mounts are allowed one by one, because whoever can mount proc
 * where no rule names it can write to it. @see apparmor.d(5)
 */
import { isTrue } from "#base/units.ts";

type Config = Readonly<Record<string, string>>;

export interface ProfileInput {
  readonly name: string;
  readonly config: Config;
  readonly isPrivileged: boolean;
}

/** Loaded names are at most 253 bytes long for the kernel's interface files. */
const MAX_NAME = 253;

/** "lxd-c1_</var/lib/lxd>": unique on the host. @param hash For names that are too long. */
export function profileName(
  instance: string,
  stateDirectory: string,
  hash: (text: string) => string,
): string {
  const name = `lxd-${instance}_<${stateDirectory}>`;
  return name.length <= MAX_NAME ? name : `lxd-${hash(name)}`;
}

/** The text for apparmor_parser(8). */
export function appArmorProfile(input: ProfileInput): string {
  const { name, config, isPrivileged } = input;
  const isNesting = isTrue(config["security.nesting"]);
  const sections = [
    ["Everything that no rule below forbids", BASE],
    ["Signals and traces: inside, and from the host", processRules(name)],
    ["Kernel settings that are not the container's own", KERNEL_SETTINGS],
    ...(isPrivileged && !isNesting
      ? [["Mounts that don't open the host", PRIVILEGED_MOUNTS] as const]
      : [["Mounts: the user namespace decides", FREE_MOUNTS] as const]),
    ...(isNesting ? [["Containers inside", NESTING] as const] : []),
    ...rawSection(config["raw.apparmor"] ?? ""),
  ] as const;
  const body = sections.map(([title, rules]) =>
    [`  # ${title}`, ...rules.map((rule) => `  ${rule}`)].join("\n")
  );
  return [
    "#include <tunables/global>",
    `profile ${quoted(name)} flags=(attach_disconnected,mediate_deleted) {`,
    body.join("\n\n"),
    "}",
    "",
  ].join("\n");
}

function quoted(name: string): string {
  return `"${name.replace(/["\\\n]/g, "")}"`;
}

function rawSection(text: string): [string, string[]][] {
  if (text.trim() === "") return [];
  return [["raw.apparmor", text.trim().split("\n").map((line) => line.trim())]];
}

const BASE = ["capability,", "dbus,", "file,", "network,", "umount,", "unix,"] as const;

function processRules(name: string): string[] {
  const peer = quoted(name);
  return [
    "signal (receive),",
    `signal (send) peer=${peer},`,
    `signal (send) peer=${quoted(`${name}//*`)},`,
    "ptrace (readby, tracedby),",
    `ptrace peer=${peer},`,
    `ptrace peer=${quoted(`${name}//*`)},`,
  ];
}

/** Sysctls with a namespace of their own: the container may change its own copy. */
const OWN_SYSCTLS = [
  "net",
  "kernel/domainname",
  "kernel/hostname",
  "kernel/msgmax",
  "kernel/msgmnb",
  "kernel/msgmni",
  "kernel/sem",
  "kernel/shmall",
  "kernel/shmmax",
  "kernel/shmmni",
  "kernel/shm_rmid_forced",
  "user",
  "fs/mqueue",
] as const;
/** Below /sys: cgroups are the container's, and its interfaces can be tuned. */
const OWN_SYSFS = ["fs/cgroup", "devices/virtual/net", "class/net"] as const;

const KERNEL_SETTINGS = [
  ...denyBut("/proc/sys", OWN_SYSCTLS),
  "deny /proc/sysrq-trigger rwklx,",
  "deny /proc/kcore rwklx,",
  "deny /proc/kmem rwklx,",
  "deny /proc/mem rwklx,",
  "deny /proc/acpi/** wklx,",
  ...denyBut("/sys", OWN_SYSFS),
  "deny /sys/firmware/efi/efivars/** rwklx,",
  "deny /sys/kernel/debug/** rwklx,",
] as const;

/**
 * "deny" wins over any "allow", so that exceptions must be spelled out: for each prefix of an allowed
 * path, deny names that leave it. ["net"] -> [^n]*{,/**}, n[^e]*{,/**}, ne[^t]*{,/**}, net?*{,/**}
 */
export function denyBut(root: string, allowed: readonly string[]): string[] {
  const rules: string[] = [];
  const byHead = Map.groupBy(allowed, (path) => path.split("/")[0] ?? "");
  for (const pattern of othersThan([...byHead.keys()])) {
    rules.push(`deny ${root}/${pattern}{,/**} wklx,`);
  }
  for (const [head, paths] of byHead) {
    const rest = paths.map((path) => path.slice(head.length + 1)).filter((path) => path !== "");
    if (rest.length === paths.length) rules.push(...denyBut(`${root}/${head}`, rest));
  }
  return rules;
}

/** Globs of all names but these. */
function othersThan(names: readonly string[], done = ""): string[] {
  const rest = names.filter((name) => name.startsWith(done));
  const next = [
    ...new Set(
      rest.filter((name) => name.length > done.length)
        .map((name) => name[done.length] ?? ""),
    ),
  ].sort();
  const isWhole = rest.includes(done);
  const own = next.length === 0
    ? [`${done}?*`]
    : [`${done}[^${next.join("")}]*`, ...(isWhole || done === "" ? [] : [done])];
  return [...own, ...next.flatMap((letter) => othersThan(rest, done + letter))];
}

/** File systems that a privileged container may mount, and where. */
const PRIVILEGED_FILESYSTEMS: readonly (readonly [type: string, target: string])[] = [
  ["tmpfs", "/**"],
  ["ramfs", "/**"],
  ["devpts", "/dev/**"],
  ["mqueue", "/dev/**"],
  ["hugetlbfs", "/dev/**"],
  ["overlay", "/**"],
  ["fuse", "/**"],
  ["fuse.*", "/**"],
  ["fusectl", "/sys/fs/fuse/connections/"],
  ["cgroup", "/sys/fs/cgroup/**"],
  ["cgroup2", "/sys/fs/cgroup/{,**}"],
  ["proc", "/proc/"],
  ["sysfs", "/sys/"],
];
/** Sources of bind mounts: not proc or sysfs, which would get another path. */
const BIND_SOURCES = othersThan(["proc", "sys"]).map((pattern) => `/${pattern}{,/**}`);

/** Spelled out: "options in" would allow any part of a list, a plain bind among them. */
const READONLY_REMOUNTS = [[], ["nosuid"], ["nodev"], ["noexec"]]
  .reduce<string[][]>(
    (all, [word]) => word === undefined ? all : [...all, ...all.map((words) => [...words, word])],
    [[]],
  )
  .flatMap((words) => [["ro", "remount", ...words], ["ro", "remount", "bind", ...words]]);

/**
 * What init needs to keep its mounts to itself. Parsers before 3.0.10 widen these rules to any mount
 * (CVE-2016-1585): there a privileged container is as open as with LXD.
 */
const PROPAGATION = ["slave", "rslave", "private", "rprivate", "shared", "rshared", "unbindable"]
  .map((word) => `mount options=(rw, ${word}) -> /{,**},`);

const PRIVILEGED_MOUNTS = [
  ...PRIVILEGED_FILESYSTEMS.map(([type, target]) => `mount fstype=${type} -> ${target},`),
  ...PROPAGATION,
  ...BIND_SOURCES.flatMap((source) => [
    `mount options in (rw, ro, bind, rbind, nosuid, nodev, noexec) ${source} -> /**,`,
  ]),
  ...READONLY_REMOUNTS.map((words) => `mount options=(${words.join(", ")}) -> /{,**},`),
  "pivot_root,",
] as const;

const FREE_MOUNTS = ["mount,", "pivot_root,"] as const;

const NESTING = [
  "# Fresh ones without mounts over them, for the containers inside",
  "mount fstype=proc -> /dev/.lxc/proc/,",
  "mount fstype=sysfs -> /dev/.lxc/sys/,",
  "# Whose profile is chosen at their start",
  "change_profile -> **,",
] as const;
