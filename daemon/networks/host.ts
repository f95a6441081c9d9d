/** The effects of a plan on the host: links by ip(8), rules by nft(8), sysctls. */
import { Fault } from "#base/errors.ts";
import { formatAddress, networkOf, parseSubnet, type Subnet } from "#base/ip.ts";
import {
  ipBatch,
  ipJson,
  type IpLink,
  type IpRoute,
  linkExists,
  portsOf,
  removeLink,
  writeSysctl,
} from "#daemon/host/links.ts";
import { applyRuleset } from "#daemon/host/nft.ts";
import { run } from "#daemon/host/run.ts";
import type { NetworkPlan } from "./bridge.ts";
import { removalRules } from "./plan_rules.ts";

/** Subnets in use: addresses and routes of the host. */
export async function usedSubnets(): Promise<Subnet[]> {
  const texts: string[] = [];
  for (const family of ["-4", "-6"]) {
    const routes = await ipJson<IpRoute>(family, "route", "show", "table", "all");
    texts.push(...routes.map(({ dst }) => dst));
  }
  return texts.filter((text) => text !== "default").map(asSubnet)
    .filter((subnet) => subnet !== undefined);
}

function asSubnet(text: string): Subnet | undefined {
  return parseSubnet(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
}

/** Make the bridge what the plan says. What fits already stays untouched, and with it foreign routes. */
export async function applyLinks(plan: NetworkPlan, name: string): Promise<void> {
  if (!await linkExists(name)) {
    await run(["ip", "link", "add", "name", name, "type", "bridge"]);
    await enableVlanFiltering(name);
  }
  for (const [path, value] of plan.sysctls) await writeSysctl(path, value);
  // An address takes its routes with it: they go before it.
  const routes = await routeChanges(plan, name);
  const lines = [
    `link set dev ${name} mtu ${plan.mtu}`,
    ...(plan.hwaddr === undefined ? [] : [`link set dev ${name} address ${plan.hwaddr}`]),
    `link set dev ${name} up`,
    ...routes.removed,
    ...await addressChanges(plan, name),
    ...routes.wanted,
  ];
  await ipBatch(lines);
  await applyTunnels(plan, name);
  await applyExternal(plan, name);
}

/** LXD's bridges filter VLANs, where the kernel can. */
async function enableVlanFiltering(name: string): Promise<void> {
  for (const [file, value] of [["vlan_filtering", "1"], ["default_pvid", "1"]] as const) {
    await Deno.writeTextFile(`/sys/class/net/${name}/bridge/${file}`, value, { create: false })
      .catch(() => undefined); // Ignored: a kernel without VLAN filtering.
  }
}

async function addressChanges(plan: NetworkPlan, name: string): Promise<string[]> {
  const [link] = await ipJson<IpLink>("address", "show", "dev", name);
  const canonical = (one: string) => {
    const subnet = parseSubnet(one);
    return subnet === undefined
      ? one
      : `${formatAddress(subnet.family, subnet.address)}/${subnet.prefix}`;
  };
  const wanted = new Set(plan.addresses.map(canonical));
  const present = (link?.addr_info ?? []).filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => canonical(`${local}/${prefixlen}`));
  return [
    ...present.filter((one) => !wanted.has(one)).map((one) => `address del ${one} dev ${name}`),
    ...[...wanted].filter((one) => !present.includes(one)).map((one) =>
      `address add ${one} dev ${name}${one.includes(":") ? " nodad" : ""}`
    ),
  ];
}

async function routeChanges(
  plan: NetworkPlan,
  name: string,
): Promise<{ readonly removed: readonly string[]; readonly wanted: readonly string[] }> {
  const wanted = plan.routes.map((text) => {
    const subnet = parseSubnet(text);
    return subnet === undefined
      ? text
      : `${formatAddress(subnet.family, networkOf(subnet))}/${subnet.prefix}`;
  });
  const removed: string[] = [];
  for (const family of ["-4", "-6"]) {
    const routes = await ipJson<IpRoute>(family, "route", "show", "dev", name, "proto", "static");
    for (const { dst } of routes) {
      const full = dst.includes("/") ? dst : `${dst}/${dst.includes(":") ? 128 : 32}`;
      if (!wanted.includes(full)) removed.push(`route del ${dst} dev ${name} proto static`);
    }
  }
  return {
    removed,
    wanted: wanted.map((one) => `route replace ${one} dev ${name} proto static`),
  };
}

async function applyTunnels(plan: NetworkPlan, name: string): Promise<void> {
  const wanted = new Set(plan.tunnels.map(({ link }) => link));
  for (const port of await portsOf(name)) {
    const isTunnel = port.startsWith(`${name}-`) && await tunnelKind(port);
    if (isTunnel && !wanted.has(port)) await removeLink(port);
  }
  for (const tunnel of plan.tunnels) {
    // Made anew: most options of a tunnel can't be changed.
    await removeLink(tunnel.link);
    try {
      await run(["ip", "link", "add", "name", tunnel.link, ...tunnel.arguments]);
      await run(["ip", "link", "set", "dev", tunnel.link, "mtu", plan.mtu, "master", name, "up"]);
    } catch (error) {
      throw new Fault("bad_request", `Failed to create tunnel "${tunnel.link}": ${reason(error)}`, {
        cause: error,
        hint: `Does the kernel have ${tunnel.protocol}?`,
      });
    }
  }
}

async function tunnelKind(link: string): Promise<boolean> {
  const [one] = await ipJson<IpLink>("-details", "link", "show", "dev", link);
  return ["vxlan", "gretap"].includes(one?.linkinfo?.info_kind ?? "");
}

async function applyExternal(plan: NetworkPlan, name: string): Promise<void> {
  const ports = await portsOf(name);
  for (const link of plan.external) {
    // One that comes later, or is gone, must not keep the network from its instances.
    if (!await linkExists(link)) continue;
    if (ports.includes(link)) continue;
    const [one] = await ipJson<IpLink>("address", "show", "dev", link);
    if ((one?.addr_info ?? []).some(({ scope }) => scope === "global")) {
      throw new Fault("bad_request", "Only unconfigured network interfaces can be bridged", {
        hint: `"${link}" has addresses: remove them first.`,
      });
    }
    await run(["ip", "link", "set", "dev", link, "master", name, "up"]);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** None is no error. */
export async function removeRules(name: string): Promise<void> {
  await applyRuleset(removalRules(name));
}

/** A bridge goes with its tunnels; other ports are set free. */
export async function removeBridge(name: string): Promise<void> {
  for (const port of await portsOf(name)) {
    if (port.startsWith(`${name}-`) && await tunnelKind(port)) await removeLink(port);
  }
  await removeLink(name);
}
