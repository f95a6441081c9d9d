/**
 * Network interfaces. liblxc makes the veth pair or macvlan itself at start: fast, and gone with the
 * container. A fixed address is given by the network's dnsmasq.
 */
import { NIC_KEYS, NIC_TYPES, type NicType } from "#api/config/device_nic.ts";
import type { Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";
import type { Undo } from "#base/undo.ts";
import { run } from "#daemon/host/run.ts";
import { linkExists } from "#daemon/host/links.ts";
import { randomHwaddr } from "#daemon/networks/auto_subnet.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { Device, DeviceConfig, DeviceStart, DeviceType, ValidateContext } from "./device.ts";

/** Options that one of these kinds can't do yet: refused, not ignored. */
const REFUSED = [
  "limits.egress",
  "limits.ingress",
  "limits.max",
  "security.ipv4_filtering",
  "security.ipv6_filtering",
  "security.mac_filtering",
  "security.port_isolation",
  "vlan",
  "vlan.tagged",
];

function nicType(config: DeviceConfig): NicType | undefined {
  if ((config["network"] ?? "") !== "") return "bridged";
  const wanted = config["nictype"] ?? "";
  return NIC_TYPES.find((type) => type === wanted);
}

async function validate(
  name: string,
  config: DeviceConfig,
  context: ValidateContext,
): Promise<void> {
  checkDeviceKeys(name, config, NIC_KEYS);
  const type = nicType(config);
  if (type === undefined) {
    const wanted = config["nictype"] ?? "";
    throw wanted === ""
      ? invalidDevice(name, 'Either "network" or "nictype" is needed')
      : invalidDevice(
        name,
        `Unsupported nictype "${wanted}"`,
        `There are ${NIC_TYPES.join(", ")}.`,
      );
  }
  for (const key of REFUSED) {
    const value = config[key] ?? "";
    if (value === "" || value === "false") continue;
    throw invalidDevice(name, `Option "${key}" is not supported yet`, "Leave it unset.");
  }
  if (config["network"]) {
    if (config["nictype"]) {
      throw invalidDevice(
        name,
        'Cannot use "nictype" property in conjunction with "network" property',
      );
    }
    return await validateAddresses(name, config, context);
  }
  if (type !== "p2p" && !config["parent"]) {
    throw invalidDevice(name, `A nic of type ${type} needs "parent"`);
  }
  for (const key of ["ipv4.address", "ipv6.address"]) {
    if (config[key]) {
      throw invalidDevice(
        name,
        `Option "${key}" needs a managed network`,
        'Use "network" instead of "parent".',
      );
    }
  }
}

async function validateAddresses(
  name: string,
  config: DeviceConfig,
  { project, services, instance, devices }: ValidateContext,
): Promise<void> {
  const network = await services.networks.find(project, config["network"] ?? "");
  if (network === undefined) {
    throw invalidDevice(
      name,
      `Error loading network config for "${config["network"]}": Network not found`,
    );
  }
  for (const key of ["ipv4.address", "ipv6.address"] as const) {
    const value = config[key];
    const parsed = value === undefined ? undefined : parseAddress(value);
    if (parsed === undefined) continue;
    const subnet = parseSubnet(network.config[key] ?? "");
    if (subnet === undefined || !contains(subnet, parsed.family, parsed.value)) {
      throw invalidDevice(
        name,
        `Device IP address "${value}" not within network "${network.name}" subnet`,
        `Its ${key} is ${network.config[key] ?? "none"}.`,
      );
    }
  }
  if (instance === undefined) return;
  const clash = Object.entries(devices).find(([other, device]) =>
    other !== name && device["type"] === "nic" && device["network"] === network.name &&
    device["ipv4.address"] !== undefined && device["ipv4.address"] === config["ipv4.address"]
  );
  if (clash !== undefined) {
    throw invalidDevice(
      name,
      `IP address "${config["ipv4.address"]}" is used by device "${clash[0]}" too`,
    );
  }
}

/** MAC address, chosen once and kept. */
async function hwaddrOf({ config, name, host }: Device): Promise<string> {
  const known = config["hwaddr"] || host.volatile(name, "hwaddr");
  if (known) return known.toLowerCase();
  const chosen = randomHwaddr();
  await host.setVolatile({ [`volatile.${name}.hwaddr`]: chosen });
  return chosen;
}

/** Name inside: given, or kept from before, or the first free ethN. */
async function interfaceName({ config, name, host }: Device): Promise<string> {
  const known = config["name"] || host.volatile(name, "name");
  if (known) return known;
  const chosen = /^eth\d+$/.test(name) ? name : `eth${nextIndex(host)}`;
  await host.setVolatile({ [`volatile.${name}.name`]: chosen });
  return chosen;
}

function nextIndex(host: Device["host"]): number {
  let index = 0;
  const taken = new Set(Object.entries(host.config).map(([, value]) => value));
  while (taken.has(`eth${index}`)) index++;
  return index;
}

function randomHostName(type: NicType): string {
  const tail = [...crypto.getRandomValues(new Uint8Array(4))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${type === "macvlan" ? "mac" : "veth"}${tail}`;
}

/** The bridge or parent interface; undefined for p2p. @throws {Fault} if it is not there. */
async function parentOf({ config, name }: Device): Promise<string | undefined> {
  const parent = config["network"] || config["parent"];
  if (nicType(config) === "p2p" || !parent) return undefined;
  if (!await linkExists(parent)) {
    throw new Fault(
      "bad_request",
      `Failed to start device "${name}": Parent device "${parent}" doesn't exist`,
      {
        hint: "Is the network up? See: lxc network list",
      },
    );
  }
  return parent;
}

async function tellDnsmasq(device: Device, hwaddr: string): Promise<void> {
  const network = device.config["network"];
  if (!network) return;
  const { host, config, name } = device;
  await device.services.networks.setHost(network, {
    project: host.project,
    instance: host.instance,
    device: name,
    hwaddr,
    ipv4: config["ipv4.address"],
    ipv6: config["ipv6.address"],
  });
}

async function start(device: Device, undo: Undo): Promise<DeviceStart> {
  const { config, name, host } = device;
  const type = nicType(config) ?? "bridged";
  const parent = await parentOf(device);
  const hwaddr = await hwaddrOf(device);
  const inside = await interfaceName(device);
  await tellDnsmasq(device, hwaddr);
  const lxc: [string, string][] = [];
  const net = (key: string, value: string) => lxc.push([`lxc.net.{n}.${key}`, value]);
  if (type === "macvlan") {
    net("type", "macvlan");
    net("macvlan.mode", "bridge");
  } else {
    const hostName = config["host_name"] || randomHostName(type);
    await host.setVolatile({ [`volatile.${name}.host_name`]: hostName });
    undo.add(
      "forget host name",
      () => host.setVolatile({ [`volatile.${name}.host_name`]: undefined }),
    );
    net("type", "veth");
    net("veth.pair", hostName);
  }
  net("flags", "up");
  if (parent !== undefined) net("link", parent);
  net("name", inside);
  net("hwaddr", hwaddr);
  const mtu = config["mtu"] || (parent === undefined ? undefined : await mtuOf(parent));
  if (mtu) net("mtu", mtu);
  const routes = routesOf(config);
  return {
    lxc,
    ...(routes.length === 0
      ? {}
      : { afterStart: async () => await addRoutes(device, parent, routes) }),
  };
}

async function mtuOf(link: string): Promise<string> {
  return (await Deno.readTextFile(`/sys/class/net/${link}/mtu`)).trim();
}

function routesOf(config: DeviceConfig): string[] {
  return ["ipv4.routes", "ipv6.routes"].flatMap((key) => (config[key] ?? "").split(","))
    .map((one) => one.trim()).filter((one) => one !== "");
}

async function addRoutes(device: Device, parent: string | undefined, routes: readonly string[]) {
  const via = parent ?? device.host.volatile(device.name, "host_name") ?? "";
  for (const route of routes) {
    await run(["ip", "route", "replace", route, "dev", via, "proto", "boot"]);
  }
}

async function removeRoutes(device: Device): Promise<void> {
  const parent = device.config["network"] || device.config["parent"];
  for (const route of routesOf(device.config)) {
    if (parent) await run(["ip", "route", "delete", route, "dev", parent]).catch(() => undefined);
  }
}

async function plug(device: Device, pid: Pid, undo: Undo): Promise<void> {
  const { config, name, host } = device;
  const type = nicType(config) ?? "bridged";
  const parent = await parentOf(device);
  const hwaddr = await hwaddrOf(device);
  const inside = await interfaceName(device);
  await tellDnsmasq(device, hwaddr);
  const outside = config["host_name"] || randomHostName(type);
  const peer = randomHostName(type);
  const mtu = config["mtu"] || (parent === undefined ? "1500" : await mtuOf(parent));
  const lines = type === "macvlan"
    ? [`link add ${peer} link ${parent} mtu ${mtu} address ${hwaddr} type macvlan mode bridge`]
    : [
      `link add ${outside} mtu ${mtu} type veth peer name ${peer} mtu ${mtu} address ${hwaddr}`,
      ...(parent === undefined ? [] : [`link set dev ${outside} master ${parent}`]),
      `link set dev ${outside} up`,
    ];
  undo.add("remove interface", async () => {
    for (const link of [outside, peer]) {
      if (await linkExists(link)) await run(["ip", "link", "delete", "dev", link]);
    }
  });
  await run(["ip", "-batch", "-"], { stdin: lines.join("\n") + "\n" });
  await run(["ip", "link", "set", "dev", peer, "netns", String(pid), "name", inside]);
  await run(["nsenter", "-t", String(pid), "-n", "--", "ip", "link", "set", "dev", inside, "up"]);
  if (type !== "macvlan") await host.setVolatile({ [`volatile.${name}.host_name`]: outside });
  const routes = routesOf(config);
  if (routes.length > 0) await addRoutes(device, parent, routes);
}

async function unplug(device: Device, pid: Pid): Promise<void> {
  const { name, host, config } = device;
  await removeRoutes(device);
  const outside = host.volatile(name, "host_name");
  if (outside !== undefined && await linkExists(outside)) {
    await run(["ip", "link", "delete", "dev", outside]);
  } else if (nicType(config) === "macvlan") {
    const inside = await interfaceName(device);
    await run(["nsenter", "-t", String(pid), "-n", "--", "ip", "link", "delete", "dev", inside]);
  }
  await host.setVolatile({ [`volatile.${name}.host_name`]: undefined });
}

/** The host's side went with the container; what is left is ours. */
async function stop(device: Device): Promise<void> {
  const { name, host } = device;
  await removeRoutes(device);
  const outside = host.volatile(name, "host_name");
  if (outside === undefined) return;
  if (await linkExists(outside)) {
    await run(["ip", "link", "delete", "dev", outside]).catch(() => undefined);
  }
  await host.setVolatile({ [`volatile.${name}.host_name`]: undefined });
}

export const nic: DeviceType = {
  type: "nic",
  validate,
  async added(device) {
    await tellDnsmasq(device, await hwaddrOf(device));
  },
  async removed(device) {
    const { config, host, name } = device;
    const network = config["network"];
    if (!network) return;
    const { project, instance } = host;
    await device.services.networks.removeHost(network, { project, instance, device: name });
  },
  start,
  stop,
  plug,
  unplug,
  async update(device, before) {
    const addresses = ["ipv4.address", "ipv6.address"];
    const changed = new Set(
      [...Object.keys(before), ...Object.keys(device.config)].filter((key) =>
        before[key] !== device.config[key]
      ),
    );
    if ([...changed].some((key) => !addresses.includes(key))) return false;
    await tellDnsmasq(device, await hwaddrOf(device));
    return true;
  },
};
