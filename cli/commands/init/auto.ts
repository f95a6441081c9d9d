/** `lxd init --auto` and `--minimal`: flags and what the server has already -> preseed. Pure. */
import {
  defaultProfile,
  type Keys,
  listenAddress,
  nicOf,
  type Preseed,
  type PreseedNetwork,
  type PreseedPool,
  rootDisk,
} from "./preseed.ts";

export interface AutoFlags {
  readonly "network-address": string;
  readonly "network-port": number;
  readonly "storage-backend": string;
  readonly "storage-create-device": string;
  readonly "storage-create-loop": number;
  readonly "storage-pool": string;
  readonly "trust-password": string;
}

/** What is there before anything is configured. */
export interface ServerFacts {
  /** Storage drivers that the server can use. */
  readonly drivers: readonly string[];
  readonly pools: readonly string[];
  /** Names of the networks that the server manages. */
  readonly networks: readonly string[];
  /** Does the default profile have a network interface already? */
  readonly defaultHasNic: boolean;
  /** Is there an interface of that name on this host? */
  readonly hasInterface: (name: string) => boolean;
  readonly stateDirectory: string;
  /** The file system of the state directory. */
  readonly isOnBtrfs: boolean;
  /** Size and free bytes of the file system that would hold loop files. */
  readonly diskBytes: number;
}

/** Debian packages of drivers that a server may lack. */
const PACKAGES: Readonly<Record<string, string>> = {
  btrfs: "btrfs-progs",
  lvm: "lvm2 thin-provisioning-tools",
  zfs: "zfsutils-linux zfs-dkms (of contrib)",
};

/** "zfs: apt install ..." for each driver of this machine that could be had. Pure. */
export function missingBackends(drivers: readonly string[]): string[] {
  return Object.entries(PACKAGES).filter(([name]) => !drivers.includes(name))
    .map(([name, packages]) => `${name}: apt install ${packages}`);
}

const BACKENDS = ["btrfs", "ceph", "cephobject", "dir", "lvm", "zfs"];

/** @throws about flags that contradict each other. */
export function autoPreseed(flags: AutoFlags, facts: ServerFacts): Preseed {
  checkFlags(flags, facts);
  const pools = facts.pools.length > 0 ? [] : [poolOf(flags, facts)];
  const networks: PreseedNetwork[] = [];
  if (facts.networks.length === 0 && !facts.defaultHasNic) {
    let number = 0;
    while (facts.hasInterface(`lxdbr${number}`)) number++;
    const name = `lxdbr${number}`;
    networks.push({ config: {}, description: "", name, type: "", project: "default" });
  }
  const devices: Record<string, Keys> = {};
  for (const { name } of networks) devices.eth0 = nicOf(name);
  for (const { name } of pools) devices.root = rootDisk(name);
  const profiles = Object.keys(devices).length > 0 ? [defaultProfile(devices)] : [];
  return {
    config: serverKeys(flags),
    networks,
    storage_pools: pools,
    profiles,
    projects: [],
  };
}

function checkFlags(flags: AutoFlags, facts: ServerFacts): void {
  const backend = flags["storage-backend"] || "dir";
  if (!BACKENDS.includes(backend)) {
    throw new Error(`The requested backend '${backend}' isn't supported by lxd init`);
  }
  if (!facts.drivers.includes(backend)) {
    const packages = PACKAGES[backend];
    throw new Error(
      `The requested backend '${backend}' isn't available on your system (missing tools)` +
        (packages === undefined ? "" : `: apt install ${packages}`),
    );
  }
  const hasLoop = flags["storage-create-loop"] !== -1;
  const hasDevice = flags["storage-create-device"] !== "";
  if (backend === "dir" && (hasLoop || hasDevice || flags["storage-pool"] !== "")) {
    throw new Error(
      "None of --storage-pool, --storage-create-device or --storage-create-loop may be used " +
        "with the 'dir' backend",
    );
  }
  if (hasLoop && hasDevice) {
    throw new Error(
      "Only one of --storage-create-device or --storage-create-loop can be specified",
    );
  }
  if (flags["network-address"] !== "") return;
  if (flags["network-port"] !== -1) {
    throw new Error("--network-port can't be used without --network-address");
  }
  if (flags["trust-password"] !== "") {
    throw new Error("--trust-password can't be used without --network-address");
  }
}

/** A subvolume there, where the state directory is on btrfs. */
export function poolFolder({ stateDirectory }: ServerFacts, pool: string): string {
  return `${stateDirectory}/storage-pools/${pool}`;
}

function poolOf(flags: AutoFlags, facts: ServerFacts): PreseedPool {
  if (flags["storage-backend"] === "" && facts.isOnBtrfs && facts.drivers.includes("btrfs")) {
    const config = { source: poolFolder(facts, "default") };
    return { config, description: "", name: "default", driver: "btrfs" };
  }
  const config: Record<string, string> = {};
  if (flags["storage-create-loop"] !== -1) config.size = `${flags["storage-create-loop"]}GB`;
  const device = flags["storage-create-device"];
  const pool = flags["storage-pool"];
  if (device !== "") config.source = device;
  else if (pool !== "" && config.size === undefined) config.source = pool;
  return { config, description: "", name: "default", driver: flags["storage-backend"] || "dir" };
}

function serverKeys(flags: AutoFlags): Keys {
  const config: Record<string, string> = {};
  if (flags["network-address"] !== "") {
    const port = flags["network-port"] === -1 ? 8443 : flags["network-port"];
    config["core.https_address"] = listenAddress(flags["network-address"], port);
  }
  if (flags["trust-password"] !== "") config["core.trust_password"] = flags["trust-password"];
  return config;
}
