/**
 * Build images on this host: Debian and Ubuntu by debootstrap from the mirror that apt uses, busybox
 * from the static binary. The result is a proper LXD image with metadata and templates.
 */
import { type HostPath, hostPath, type Pid, pid as brandPid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { formatYaml } from "#api/yaml.ts";
import { entries, readIfThere, removeIfThere, removeTree } from "#daemon/host/files.ts";
import type { OwnedFd } from "#ffi/libc/fd.ts";
import { openPidfd, parentOf, signalPidfd } from "#ffi/libc/process.ts";
import { parseRecipe, type Recipe, type RecipeWish } from "./recipe.ts";

export interface BuildOptions extends RecipeWish {
  /** An empty directory; the image's parts are made below it. */
  readonly directory: HostPath;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

export interface BuiltImage {
  readonly meta: HostPath;
  readonly rootfs: HostPath;
  readonly description: string;
}

const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "iproute2",
  "ca-certificates",
  "libpam-systemd",
];
/** Releases whose package systemd brings the resolver with it; later ones have a package for it. */
const RESOLVER_IN_SYSTEMD = ["bullseye", "focal", "jammy"];
const DEBIAN_ARCH: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Cost: minutes, for Debian; needs the mirror. @throws {Fault} bad_request if the recipe is unknown. */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const recipe = parseRecipe(options);
  const root = hostPath(`${options.directory}/rootfs`);
  await Deno.mkdir(root, { mode: 0o755 });
  if (recipe.os === "BusyBox") await fillBusybox(root);
  else await fillDebian(recipe, root, options);
  options.progress("Packing");
  return await pack(recipe, root, options);
}

async function fillBusybox(root: HostPath): Promise<void> {
  const binary = await firstExisting(["/bin/busybox", "/usr/bin/busybox"]);
  if (binary === undefined) {
    throw new Fault("bad_request", "cannot build the busybox image: there is no static busybox", {
      hint: "Install it: apt-get install busybox-static",
    });
  }
  const folders = "bin dev etc mnt proc root run sbin sys tmp usr/bin usr/share/udhcpc var/log";
  for (const folder of folders.split(" ")) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  await Deno.chmod(`${root}/tmp`, 0o1777);
  await Deno.copyFile(binary, `${root}/bin/busybox`);
  await Deno.chmod(`${root}/bin/busybox`, 0o755);
  const { stdout } = await new Deno.Command(binary, { args: ["--list"] }).output();
  for (const applet of new TextDecoder().decode(stdout).split("\n")) {
    if (applet !== "" && applet !== "busybox" && applet !== "init") {
      await Deno.symlink("/bin/busybox", `${root}/bin/${applet}`);
    }
  }
  await Deno.symlink("../bin/busybox", `${root}/sbin/init`);
  for (const [path, text, mode] of BUSYBOX_FILES) {
    await Deno.writeTextFile(`${root}/${path}`, text);
    await Deno.chmod(`${root}/${path}`, mode);
  }
}

const BUSYBOX_FILES: readonly (readonly [path: string, text: string, mode: number])[] = [
  [
    "etc/passwd",
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    0o644,
  ],
  ["etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644],
  [
    "etc/inittab",
    "::sysinit:/etc/rc\n::restart:/sbin/init\n::ctrlaltdel:/bin/reboot\n" +
    "::respawn:/bin/udhcpc -f -i eth0 -s /usr/share/udhcpc/script -t 3 -T 1 -A 3\n",
    0o644,
  ],
  [
    "etc/rc",
    "#!/bin/sh\nmount -t tmpfs tmpfs /run 2>/dev/null\nhostname -F /etc/hostname 2>/dev/null\n" +
    "ip link set lo up\nip link set eth0 up 2>/dev/null\nexit 0\n",
    0o755,
  ],
  [
    "usr/share/udhcpc/script",
    "#!/bin/sh\ncase $1 in\nbound|renew)\n  ip addr flush dev $interface\n" +
    "  ip addr add $ip/$mask dev $interface\n" +
    '  [ -z "$router" ] || ip route replace default via ${router%% *} dev $interface\n' +
    "  : > /etc/resolv.conf; for one in $dns; do echo nameserver $one >> /etc/resolv.conf; done ;;\n" +
    "esac\n",
    0o755,
  ],
];

async function fillDebian(recipe: Recipe, root: HostPath, options: BuildOptions): Promise<void> {
  const mirror = options.mirror ?? await mirrorOfApt();
  const arch = DEBIAN_ARCH[Deno.build.arch] ?? "amd64";
  const packages = RESOLVER_IN_SYSTEMD.includes(recipe.codename)
    ? PACKAGES
    : [...PACKAGES, "systemd-resolved"];
  const args = [
    "--variant=minbase",
    `--arch=${arch}`,
    `--include=${[...packages, ...options.packages ?? []].join(",")}`,
    ...(options.keyring === undefined ? [] : [`--keyring=${options.keyring}`]),
    recipe.codename,
    root,
    mirror,
  ];
  if (recipe.os === "Ubuntu") args.push("gutsy"); // One script serves every Ubuntu.
  await debootstrap(args, options);
  options.progress("Configuring");
  await configureDebian(root);
}

/** In namespaces of its own: its end is that of all that it started, and of what it mounted. */
const SIGKILL = 9;
const CONTAINED = ["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--", "debootstrap"];

/**
 * unshare(1) heeds no other signal. Its child dies with it, but not in the moment before it has asked the
 * kernel for that: therefore it is killed as well.
 */
function killContained(unshare: Deno.ChildProcess): void {
  using children = new DisposableStack();
  const held = childrenOf(brandPid(unshare.pid)).map((child) => children.use(child));
  unshare.kill("SIGKILL");
  for (const { fd } of held) signalPidfd(fd, SIGKILL);
}

/** Held, so that no number means another process meanwhile. */
function childrenOf(parent: Pid): OwnedFd[] {
  try {
    const numbers = Deno.readTextFileSync(`/proc/${parent}/task/${parent}/children`);
    return (numbers.match(/\d+/g) ?? []).flatMap((number) => {
      const child = brandPid(Number(number));
      const held = openPidfd(child);
      if (parentOf(child) === parent) return [held];
      held[Symbol.dispose]();
      return [];
    });
  } catch {
    return []; // Ignored: they have ended, or this kernel does not tell.
  }
}

async function debootstrap(args: readonly string[], options: BuildOptions): Promise<void> {
  const child = new Deno.Command("unshare", {
    args: [...CONTAINED, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env: { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
  }).spawn();
  const abort = () => killContained(child);
  options.signal.addEventListener("abort", abort, { once: true });
  if (options.signal.aborted) abort();
  let last = "";
  let count = 0;
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    for (const line of decoder.decode(chunk).split("\n").filter((one) => one.startsWith("I: "))) {
      last = line.slice(3);
      if (/^(Retrieving|Unpacking|Configuring)/.test(last) && ++count % 5 === 0) {
        options.progress(last.slice(0, 60));
      }
    }
    const error = /^E: (.*)$/m.exec(decoder.decode(chunk));
    if (error !== null) last = error[1] ?? last;
  }
  const { success, code } = await child.status;
  options.signal.removeEventListener("abort", abort);
  options.signal.throwIfAborted();
  if (code === 127) {
    throw new Fault("bad_request", "cannot build the image: debootstrap is missing", {
      hint: "Install it: apt-get install debootstrap",
    });
  }
  if (!success) {
    throw new Fault("bad_request", `debootstrap failed: ${last}`, { hint: "Is the mirror right?" });
  }
}

/** What a container wants: DHCP on eth0, nothing to wait for, no identity of its own, no kernel. */
async function configureDebian(root: HostPath): Promise<void> {
  const write = async (path: string, text: string) => {
    const target = `${root}/${path}`;
    await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(target, text);
  };
  await write(
    "etc/systemd/network/eth0.network",
    "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n\n" +
      // It has its name from the template; asking for another would start a service for that.
      "[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n",
  );
  // They look after file systems on a host's LVM, and take a fifth of a boot.
  for (
    const unit of [
      "multi-user.target.wants/e2scrub_reap.service",
      "timers.target.wants/e2scrub_all.timer",
    ]
  ) {
    await removeIfThere(`${root}/etc/systemd/system/${unit}`);
  }
  await link(
    `${root}/etc/systemd/system/multi-user.target.wants/systemd-networkd.service`,
    "/lib/systemd/system/systemd-networkd.service",
  );
  await link(
    `${root}/etc/systemd/system/sockets.target.wants/systemd-networkd.socket`,
    "/lib/systemd/system/systemd-networkd.socket",
  );
  await link(`${root}/etc/systemd/system/systemd-networkd-wait-online.service`, "/dev/null");
  // networkd waits for udev on each link, unless /sys is read-only for it. There is no udev here.
  await write(
    "etc/systemd/system/systemd-networkd.service.d/container.conf",
    "[Service]\nReadOnlyPaths=/sys\n",
  );
  await write("etc/machine-id", "");
  await removeIfThere(`${root}/var/lib/dbus/machine-id`);
  await write("etc/hostname", "localhost\n");
  await write("etc/fstab", "");
  await write("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
  await removeContent(`${root}/var/cache/apt/archives`);
  await removeContent(`${root}/var/lib/apt/lists`);
  await Deno.mkdir(`${root}/var/cache/apt/archives/partial`, { recursive: true });
  await Deno.mkdir(`${root}/var/lib/apt/lists/partial`, { recursive: true });
  await removeContent(`${root}/dev`);
  await link(
    `${root}/etc/systemd/system/multi-user.target.wants/systemd-resolved.service`,
    "/lib/systemd/system/systemd-resolved.service",
  );
  await link(`${root}/etc/resolv.conf`, "../run/systemd/resolve/stub-resolv.conf");
  await removeIfThere(`${root}/var/log/bootstrap.log`);
}

const TEMPLATES = {
  "hostname.tpl": "{{ container.name }}\n",
  "hosts.tpl": "127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n\n" +
    "::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
} as const;

async function pack(recipe: Recipe, root: HostPath, options: BuildOptions): Promise<BuiltImage> {
  const { directory } = options;
  const serial = new Date().toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "_");
  const description = recipe.os === "BusyBox"
    ? `BusyBox ${Deno.build.arch} (${serial})`
    : `${recipe.os} ${recipe.codename} ${DEBIAN_ARCH[Deno.build.arch] ?? ""} (${serial})`;
  const template = (name: string) => ({ when: ["create", "copy", "rename"], template: name });
  await Deno.mkdir(`${directory}/meta/templates`, { recursive: true });
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await Deno.writeTextFile(`${directory}/meta/templates/${name}`, text);
  }
  await Deno.writeTextFile(
    `${directory}/meta/metadata.yaml`,
    formatYaml({
      architecture: Deno.build.arch,
      creation_date: Math.floor(Date.now() / 1000),
      properties: {
        architecture: DEBIAN_ARCH[Deno.build.arch] ?? Deno.build.arch,
        description,
        name: recipe.os.toLowerCase(),
        os: recipe.os,
        release: recipe.codename,
        serial,
        variant: "default",
      },
      templates: { "/etc/hostname": template("hostname.tpl"), "/etc/hosts": template("hosts.tpl") },
    }),
  );
  const meta = hostPath(`${directory}/meta.tar.xz`);
  await tar(
    ["-C", `${directory}/meta`, "-cJf", meta, "metadata.yaml", "templates"],
    options.signal,
  );
  const rootfs = hostPath(`${directory}/rootfs.tar.zst`);
  await tar([
    "-C",
    root,
    "--numeric-owner",
    "--acls",
    "--xattrs",
    "--xattrs-include=*",
    "--sort=name",
    "-I",
    "zstd -T0 -9",
    "-cf",
    rootfs,
    ".",
  ], options.signal);
  return { meta, rootfs, description };
}

async function tar(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { success, stderr } = await new Deno.Command("tar", {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
    signal,
  }).output();
  if (!success) throw new Error(`tar failed: ${new TextDecoder().decode(stderr).slice(-500)}`);
}

/** The first Debian mirror of the host's apt. @throws {Fault} bad_request if there is none. */
async function mirrorOfApt(): Promise<string> {
  const folder = "/etc/apt/sources.list.d";
  const files = ["/etc/apt/sources.list"];
  for (const name of await entries(folder)) files.push(`${folder}/${name}`);
  for (const file of files) {
    const text = await readIfThere(file) ?? "";
    const match = /^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+\/debian\/?)(?:\s|$)/m.exec(text);
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Fault("bad_request", "cannot find the mirror that apt uses", {
    hint: "Give one: --mirror URL",
  });
}

async function link(path: string, target: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await removeIfThere(path);
  await Deno.symlink(target, path);
}

async function removeContent(path: string): Promise<void> {
  for (const name of await entries(path)) await removeTree(`${path}/${name}`);
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return undefined;
}
