/** Which keys of which objects are swept, with the request that sets one of them and the one that undoes it. */
import { INSTANCE_KEYS } from "#api/config/instance_keys.ts";
import { BRIDGE_KEYS, MACVLAN_KEYS, PHYSICAL_KEYS, TUNNEL_KEYS } from "#api/config/network_keys.ts";
import { PROJECT_KEYS } from "#api/config/project_keys.ts";
import { SERVER_KEYS } from "#api/config/server_keys.ts";
import type { Request } from "./twins.ts";

export interface Sweep {
  readonly name: string;
  readonly keys: readonly string[];
  readonly set: (key: string, value: string) => Request;
  /** After a success on either side. */
  readonly undo?: (key: string) => Request;
  /** Each request makes a network or a volume: a few values must do. */
  readonly isSlow?: true;
}

type Config = Readonly<Record<string, string>>;

const put = (path: string, body: unknown): Request => ({ method: "PUT", path, body });
const post = (path: string, body: unknown): Request => ({ method: "POST", path, body });
const patch = (config: Config): Request => ({
  method: "PATCH",
  path: "/1.0/instances/c",
  body: { config },
});
const remove = (path: string): Request => ({ method: "DELETE", path });

const words = (text: string) => text.split(" ");
const FREE = ["user.x", "no.such", "foo"];

const INSTANCE = [
  ...Object.keys(INSTANCE_KEYS),
  ...words("volatile.uuid volatile.x.hwaddr volatile.foo image.os environment.A"),
  ...words("limits.kernel.nofile limits.kernel.foo linux.sysctl.net.ipv4.ip_forward"),
  ...["limits.memor", "security.syscalls.intercept.sysinfo", ...FREE],
];

const NIC = words(
  "host_name hwaddr ipv4.address ipv4.routes ipv4.routes.external ipv6.address ipv6.routes " +
    "ipv6.routes.external limits.egress limits.ingress limits.max maas.subnet.ipv4 mtu name network " +
    "nictype parent security.ipv4_filtering security.ipv6_filtering security.mac_filtering " +
    "security.port_isolation vlan vlan.tagged gvrp acceleration security.acls ipv4.gateway " +
    "ipv4.host_table ipv6.gateway ipv6.host_table mode ipv4.host_address ipv4.neighbor_probe " +
    "ipv6.host_address ipv6.neighbor_probe boot.priority",
);
const DISK = words(
  "boot.priority ceph.cluster_name limits.max limits.read limits.write path pool propagation " +
    "raw.mount.options readonly recursive required shift size size.state source",
);
const NODE = words("gid major minor mode path required source uid productid vendorid");
const GPU = words("gid id mode pci productid uid vendorid mdev mig.ci mig.gi mig.uuid gputype");
const PROXY = words(
  "bind connect gid listen mode nat proxy_protocol security.gid security.uid uid",
);

/** A device with its own options, and the keys that are tried on it. */
const DEVICES: Readonly<
  Record<string, { readonly base: Config; readonly keys: readonly string[] }>
> = {
  none: { base: { type: "none" }, keys: [] },
  bridged: { base: { type: "nic", nictype: "bridged", parent: "twinbr0" }, keys: NIC },
  managed: { base: { type: "nic", network: "twinbr0" }, keys: NIC },
  macvlan: { base: { type: "nic", nictype: "macvlan", parent: "lo" }, keys: NIC },
  physical: { base: { type: "nic", nictype: "physical", parent: "lo" }, keys: NIC },
  p2p: { base: { type: "nic", nictype: "p2p" }, keys: NIC },
  routed: { base: { type: "nic", nictype: "routed" }, keys: NIC },
  ipvlan: { base: { type: "nic", nictype: "ipvlan", parent: "lo" }, keys: NIC },
  sriov: { base: { type: "nic", nictype: "sriov", parent: "lo" }, keys: NIC },
  folder: { base: { type: "disk", source: "/etc", path: "/mnt" }, keys: DISK },
  file: { base: { type: "disk", source: "/etc/passwd", path: "/mnt" }, keys: DISK },
  volume: { base: { type: "disk", pool: "pool", source: "vol", path: "/mnt" }, keys: DISK },
  root: { base: { type: "disk", pool: "pool", path: "/" }, keys: DISK },
  "unix-char": { base: { type: "unix-char", path: "/dev/null" }, keys: NODE },
  "unix-block": { base: { type: "unix-block", path: "/dev/x", required: "false" }, keys: NODE },
  "unix-hotplug": { base: { type: "unix-hotplug", vendorid: "1234" }, keys: NODE },
  usb: { base: { type: "usb", vendorid: "1234" }, keys: NODE },
  gpu: { base: { type: "gpu" }, keys: GPU },
  mdev: { base: { type: "gpu", gputype: "mdev", mdev: "x" }, keys: GPU },
  mig: { base: { type: "gpu", gputype: "mig", "mig.gi": "1", "mig.ci": "1" }, keys: GPU },
  tpm: {
    base: { type: "tpm", path: "/dev/tpm0", pathrm: "/dev/tpmrm0" },
    keys: words("path pathrm"),
  },
  pci: { base: { type: "pci", address: "0000:01:00.0" }, keys: ["address"] },
  infiniband: {
    base: { type: "infiniband", nictype: "physical", parent: "lo" },
    keys: words("hwaddr mtu name nictype parent"),
  },
  proxy: {
    base: { type: "proxy", listen: "tcp:127.0.0.1:81", connect: "tcp:127.0.0.1:80" },
    keys: PROXY,
  },
  "proxy of a socket": {
    base: { type: "proxy", listen: "unix:/run/twin.x", connect: "unix:/run/y" },
    keys: PROXY,
  },
};

const VOLUME = words(
  "block.filesystem block.mount_options lvm.stripes security.shifted security.unmapped size " +
    "snapshots.expiry snapshots.pattern snapshots.schedule zfs.blocksize volatile.uuid " +
    "volatile.idmap.last",
);
const POOL = words(
  "rsync.bwlimit rsync.compression btrfs.mount_options lvm.vg_name lvm.use_thinpool zfs.clone_copy " +
    "zfs.pool_name volume.foo volume.user.x",
);

/** These would look for servers elsewhere, or make a cluster. */
const ELSEWHERE = /^(candid|rbac|maas|network\.ovn|cluster\.(https_address|offline_threshold))/;

const NO_ADDRESS = { "ipv4.address": "none", "ipv6.address": "none" };

export const SWEEPS: readonly Sweep[] = [
  {
    name: "profile",
    keys: INSTANCE,
    set: (key, value) => put("/1.0/profiles/p", { config: { [key]: value } }),
  },
  {
    name: "instance",
    keys: INSTANCE,
    set: (key, value) => patch({ [key]: value }),
    undo: (key) => patch({ [key]: "" }),
    isSlow: true,
  },
  ...Object.entries(DEVICES).map(([name, { base, keys }]): Sweep => ({
    name: `device ${name}`,
    keys: [...new Set([...keys, "type", ...FREE])],
    set: (key, value) => put("/1.0/profiles/p", { devices: { d: { ...base, [key]: value } } }),
  })),
  {
    name: "project",
    keys: [...Object.keys(PROJECT_KEYS), ...FREE],
    set: (key, value) => post("/1.0/projects", { name: "pr", config: { [key]: value } }),
    undo: () => remove("/1.0/projects/pr"),
  },
  {
    name: "server",
    keys: [...Object.keys(SERVER_KEYS).filter((key) => !ELSEWHERE.test(key)), ...FREE],
    set: (key, value) => put("/1.0", { config: { [key]: value } }),
    undo: () => put("/1.0", { config: {} }),
  },
  {
    name: "custom volume",
    keys: [...VOLUME, ...FREE],
    set: (key, value) =>
      put("/1.0/storage-pools/pool/volumes/custom/vol", { config: { [key]: value } }),
  },
  {
    name: "volume of an instance",
    keys: [...VOLUME, ...FREE],
    set: (key, value) =>
      put("/1.0/storage-pools/pool/volumes/container/c", { config: { [key]: value } }),
  },
  {
    name: "pool",
    keys: [...POOL, ...VOLUME.map((key) => `volume.${key}`), ...FREE],
    set: (key, value) =>
      post("/1.0/storage-pools", { name: "px", driver: "dir", config: { [key]: value } }),
    undo: () => remove("/1.0/storage-pools/px"),
    isSlow: true,
  },
  {
    name: "bridge",
    keys: [
      ...Object.keys(BRIDGE_KEYS).filter((key) => !key.endsWith(".nexthop")),
      ...Object.keys(TUNNEL_KEYS).map((key) => `tunnel.x.${key}`),
      ...["tunnel.x.foo", "bgp.peers.x.address", "mtu", "parent", ...FREE],
    ],
    set: (key, value) =>
      post("/1.0/networks", { name: "twinbr1", config: { ...NO_ADDRESS, [key]: value } }),
    undo: () => remove("/1.0/networks/twinbr1"),
    isSlow: true,
  },
  ...["macvlan", "physical"].map((type): Sweep => ({
    name: `network ${type}`,
    keys: [...new Set([...Object.keys({ ...MACVLAN_KEYS, ...PHYSICAL_KEYS }), ...FREE])],
    set: (key, value) =>
      post("/1.0/networks", { name: "twinx", type, config: { parent: "lo", [key]: value } }),
    undo: () => remove("/1.0/networks/twinx"),
    isSlow: true,
  })),
];
