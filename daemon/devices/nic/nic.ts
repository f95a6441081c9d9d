/** Network interfaces: one file for each kind; here is what they have in common. */
import { NIC_KEYS, NIC_TYPES, type NicType, OPTIONS_OF_NIC } from "#api/config/device_nic.ts";
import { Fault, unreachable } from "#base/errors.ts";
import { changedKeys } from "#daemon/devices/changed_keys.ts";
import { checkDeviceKeys, invalidDevice } from "#daemon/devices/check_keys.ts";
import type {
  Device,
  DeviceConfig,
  DeviceServices,
  DeviceType,
  ValidateContext,
} from "#daemon/devices/device.ts";
import { bridged } from "./bridged.ts";
import { ipvlan } from "./ipvlan.ts";
import type { Nic, NicKind, NicWish } from "./kind.ts";
import { macvlan } from "./macvlan.ts";
import { hwaddrOf } from "./names.ts";
import { p2p } from "./p2p.ts";
import { physical } from "./physical.ts";
import { routed } from "./routed.ts";
import { sriov } from "./sriov.ts";
import { tellDnsmasq } from "./static_host.ts";
import type { ManagedNetwork } from "#daemon/networks/service.ts";

const KINDS: Readonly<Record<NicType, NicKind>> = {
  bridged,
  ipvlan,
  macvlan,
  p2p,
  physical,
  routed,
  sriov,
};

/** Options that a managed network decides on. */
const OF_NETWORK = ["nictype", "parent", "mtu", "maas.subnet.ipv4", "maas.subnet.ipv6"] as const;

type WithType = NicWish & { readonly type: NicType };

/** What a nic is, with the options of its network. @throws {Fault} bad_request */
async function resolve(
  name: string,
  config: DeviceConfig,
  { project, services }: { readonly project: string; readonly services: DeviceServices },
): Promise<WithType> {
  if ((config["network"] ?? "") !== "") return await ofNetwork(name, config, project, services);
  const wanted = config["nictype"] ?? "";
  const type = NIC_TYPES.find((one) => one === wanted);
  if (type === undefined) {
    throw wanted === ""
      ? invalidDevice(name, 'Either "network" or "nictype" is needed')
      : invalidDevice(
        name,
        `Unsupported nictype "${wanted}"`,
        `There are ${NIC_TYPES.join(", ")}.`,
      );
  }
  const parent = config["parent"] ?? "";
  const network = type === "bridged" ? await services.networks.findBridge(parent) : undefined;
  return { type, config, network, parent };
}

async function ofNetwork(
  name: string,
  config: DeviceConfig,
  project: string,
  services: DeviceServices,
): Promise<WithType> {
  refuseWithNetwork(name, config, OF_NETWORK);
  const network = await services.networks.find(project, config["network"] ?? "");
  if (network === undefined) {
    throw invalidDevice(
      name,
      `Error loading network config for "${config["network"]}": Network not found`,
      "lxc network list",
    );
  }
  // A bridge's ports can be in several VLANs, other networks are in one.
  if (network.type !== "bridge") refuseWithNetwork(name, config, ["vlan", "gvrp"]);
  return { network, ...inherited(network, config) };
}

function refuseWithNetwork(name: string, config: DeviceConfig, keys: readonly string[]): void {
  const key = keys.find((one) => (config[one] ?? "") !== "");
  if (key === undefined) return;
  throw invalidDevice(name, `Cannot use "${key}" property in conjunction with "network" property`);
}

function inherited(
  network: ManagedNetwork,
  config: DeviceConfig,
): Pick<WithType, "type" | "config" | "parent"> {
  const { mtu = "", vlan = "", parent = "", gvrp = "" } = network.config;
  switch (network.type) {
    case "bridge":
      return { type: "bridged", config, parent: network.name };
    case "macvlan":
    case "physical":
      return { type: network.type, parent, config: merged(config, { mtu, vlan, gvrp }) };
    case "sriov":
      return { type: "sriov", parent, config: merged(config, { mtu, vlan }) };
    case "ovn":
      throw new Fault("bad_request", "networks of type ovn are not supported");
    default:
      return unreachable(network.type);
  }
}

function merged(config: DeviceConfig, given: Readonly<Record<string, string>>): DeviceConfig {
  const set = Object.entries(given).filter(([key, value]) => value !== "" && !config[key]);
  return { ...config, ...Object.fromEntries(set) };
}

async function nicOf(device: Device): Promise<Nic> {
  const { name, config, host, services } = device;
  const wish = await resolve(name, config, { project: host.project, services });
  return { ...wish, device };
}

async function validate(
  name: string,
  config: DeviceConfig,
  context: ValidateContext,
): Promise<void> {
  checkDeviceKeys(name, config, NIC_KEYS);
  const wish = await resolve(name, config, context);
  const allowed = new Set<string>(OPTIONS_OF_NIC[wish.type]);
  for (const key of Object.keys(config)) {
    const isCommon = ["type", "nictype", "network"].includes(key) || key.startsWith("user.");
    if (isCommon || allowed.has(key)) continue;
    throw invalidDevice(name, `Invalid device option "${key}"`, `Not for a ${wish.type} nic.`);
  }
  if (wish.type !== "bridged" && wish.config["vlan"] === "none") {
    throw invalidDevice(name, 'Invalid value for device option "vlan": want an id from 1 to 4094');
  }
  const needsParent = wish.type !== "p2p" && wish.type !== "routed";
  if (needsParent && wish.parent === "") {
    throw invalidDevice(name, `A nic of type ${wish.type} needs "parent"`);
  }
  refuseSameName(name, config, context);
  await KINDS[wish.type].check?.(name, wish, context);
}

/** Two interfaces of one name can't be in one instance. */
function refuseSameName(name: string, config: DeviceConfig, { devices }: ValidateContext): void {
  const wanted = config["name"] ?? "";
  if (wanted === "") return;
  for (const [other, { type, name: theirs }] of Object.entries(devices)) {
    if (other === name || type !== "nic" || theirs !== wanted) continue;
    throw invalidDevice(
      name,
      `Invalid value for device option "name": Duplicate NIC name detected "${wanted}"`,
      `Device "${other}" has it.`,
    );
  }
}

/** For its end: the network may be gone, or the options invalid by now. */
async function nicOrNothing(device: Device): Promise<Nic | undefined> {
  try {
    return await nicOf(device);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

async function tell(device: Device): Promise<void> {
  const nic = await nicOf(device);
  if (nic.type !== "bridged" || nic.network === undefined) return;
  const { config } = nic;
  const addresses = { ipv4: config["ipv4.address"], ipv6: config["ipv6.address"] };
  await tellDnsmasq(nic, await hwaddrOf(device), addresses);
}

async function forget(device: Device): Promise<void> {
  const nic = await nicOrNothing(device);
  if (nic?.type !== "bridged" || nic.network === undefined) return;
  const { project, instance } = device.host;
  const { networks } = device.services;
  await networks.removeHost(nic.network.name, { project, instance, device: device.name });
}

export const nic: DeviceType = {
  type: "nic",
  validate,
  added: tell,
  removed: forget,
  async changed(device, before) {
    const moves = ["network", "parent", "nictype", "hwaddr"];
    const hasMoved = changedKeys(before, device.config).some((key) => moves.includes(key));
    if (hasMoved) await forget({ ...device, config: before });
    await tell(device);
  },
  async start(device, undo) {
    const nic = await nicOf(device);
    return await KINDS[nic.type].start(nic, undo);
  },
  async stop(device) {
    const nic = await nicOrNothing(device);
    if (nic !== undefined) await KINDS[nic.type].stop(nic);
  },
  async plug(device, pid, undo) {
    const nic = await nicOf(device);
    const { plug } = KINDS[nic.type];
    if (plug === undefined) {
      throw new Fault("bad_request", `A ${nic.type} nic can't be added to a running instance`, {
        hint: "Stop the instance first.",
      });
    }
    await plug(nic, pid, undo);
  },
  async unplug(device, pid) {
    const nic = await nicOrNothing(device);
    if (nic === undefined) return;
    const { unplug } = KINDS[nic.type];
    if (unplug === undefined) {
      throw new Fault("bad_request", `A ${nic.type} nic can't be taken from a running instance`, {
        hint: "Stop the instance first.",
      });
    }
    await unplug(nic, pid);
  },
  async update(device, before) {
    const nic = await nicOf(device);
    const kind = KINDS[nic.type];
    const changed = changedKeys(before, device.config);
    if (kind.update === undefined || changed.some((key) => !kind.live.includes(key))) return false;
    const old = await resolve(device.name, before, {
      project: device.host.project,
      services: device.services,
    });
    await kind.update(nic, old);
    return true;
  },
};
