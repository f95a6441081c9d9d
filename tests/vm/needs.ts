/**
 * What tests need of a kernel that not every machine has. A test whose need is missing says why it is
 * skipped; under CI_REQUIRE_ALL=1, as in the test VM, that is a failure.
 */

interface Need {
  /** undefined: it is there; else why not. */
  readonly missing: () => string | undefined;
  /** Where it is there. */
  readonly where: string;
}

export const NEEDS = {
  lvm: {
    missing: () => hasDeviceMapper() ? undefined : "the kernel has no device-mapper",
    where: "tools/test vm",
  },
  "CAP_SYS_RESOURCE": {
    missing: () => hasCapability(24) ? undefined : "this process lacks the capability",
    where: "tools/test vm dir_growth",
  },
  "project quotas": {
    missing: () =>
      projectQuotaMount() === undefined ? "no ext4 with prjquota is mounted" : undefined,
    where: "tools/test vm",
  },
  "cgroup v2": {
    missing: () => hasCgroup2() ? undefined : "this host has cgroup v1",
    where: "tools/test vm limits",
  },
  ipvlan: {
    missing: () =>
      canLoad("ipvlan", () => isThere("/sys/module/ipvlan"))
        ? undefined
        : "the kernel has no module ipvlan",
    where: "tools/test vm device_nic",
  },
  bonding: {
    missing: () =>
      canLoad("bonding", () => isThere("/sys/module/bonding"))
        ? undefined
        : "the kernel has no module bonding",
    where: "tools/test vm network_state",
  },
  debian: {
    missing: () =>
      debianFolder() === "" ? "there is no image of Debian (VM_DEBIAN names none)" : undefined,
    where: "tools/test vm fuse",
  },
  criu: {
    missing: () => {
      try {
        const { success } = new Deno.Command("criu", {
          args: ["check"],
          stdout: "null",
          stderr: "null",
        }).outputSync();
        return success ? undefined : "criu check is not content with the kernel";
      } catch {
        return "CRIU isn't installed";
      }
    },
    where: "tools/test vm stateful",
  },
  docker: {
    missing: () =>
      debianFolder() === "" || !hasCgroup2()
        ? "it takes an image of Debian with Docker, and cgroup v2"
        : undefined,
    where: "tools/test vm docker",
  },
  usb: {
    missing: () =>
      canLoad("xhci_pci", () => isThere("/sys/bus/pci/drivers/xhci_hcd")) &&
        canLoad("virtio_console", () => isThere("/sys/class/virtio-ports"))
        ? undefined
        : "there is no machine of QEMU around",
    where: "tools/test vm usb",
  },
  zfs: {
    missing: () => hasZfs() ? undefined : "the kernel has no module zfs",
    where: "tools/test vm zfs",
  },
} as const satisfies Readonly<Record<string, Need>>;

/** Is it there? If not, say so; the caller then defines its tests as ignored. */
export function isMet(name: keyof typeof NEEDS): boolean {
  const { missing, where } = NEEDS[name];
  const why = missing();
  if (why === undefined) return true;
  const text = `skipped, needs ${name}: ${why} (${where} has it)`;
  if (Deno.env.get("CI_REQUIRE_ALL") === "1") throw new Error(text);
  console.log(text);
  return false;
}

/** Where debian.ts has put its image; "": nowhere. */
export function debianFolder(): string {
  return Deno.env.get("VM_DEBIAN") ?? "";
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Ignored: it is not.
  }
}

function hasCgroup2(): boolean {
  const mounts = Deno.readTextFileSync("/proc/mounts");
  return mounts.split("\n").some((line) => / \/sys\/fs\/cgroup cgroup2 /.test(line));
}

function hasDeviceMapper(): boolean {
  return canLoad("dm-mod", () => Deno.readTextFileSync("/proc/misc").includes("device-mapper\n"));
}

/** @param bit @see capability.h */
function hasCapability(bit: number): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1] ?? "0"}`);
  return (effective >> BigInt(bit) & 1n) === 1n;
}

function hasZfs(): boolean {
  return canLoad("zfs", () => Deno.readTextFileSync("/proc/filesystems").includes("\tzfs\n"));
}

function canLoad(module: string, isLoaded: () => boolean): boolean {
  if (isLoaded()) return true;
  try {
    new Deno.Command("modprobe", { args: [module], stderr: "null" }).outputSync();
  } catch {
    return false; // Ignored: without modprobe it stays as it is.
  }
  return isLoaded();
}

function projectQuotaMount(): string | undefined {
  return Deno.readTextFileSync("/proc/mounts").split("\n").map((line) => line.split(" "))
    .find(([, , type, options = ""]) => type === "ext4" && options.includes("prjquota"))?.[1];
}
