/** What nics with a veth pair have in common: bridged, p2p and routed. */
import type { Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { listOf } from "#base/list.ts";
import type { Undo } from "#base/undo.ts";
import { ipBatch, linkExists, removeLink, runUnlessGone } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import { inProject } from "#daemon/paths.ts";
import type { Nic } from "./kind.ts";
import { applyLimits, removeLimits } from "./limits.ts";
import { forgetRunning, hostNameOf, hwaddrOf, interfaceName, randomName } from "./names.ts";

/** Unique name of a nic among all instances, for rules of the firewall. */
export function ownerOf({ device: { host, name } }: Pick<Nic, "device">): string {
  return `${inProject(host.project, host.instance)}.${name.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;
}

export interface Pair {
  readonly outside: string;
  readonly inside: string;
  readonly hwaddr: string;
  /** "": the kernel's default. */
  readonly mtu: string;
}

/** Choose and keep the names. @throws {Fault} bad_request if the host has one of that name. */
export async function planPair(nic: Nic, undo: Undo): Promise<Pair> {
  const { device, config, parent } = nic;
  const outside = config["host_name"] || randomName("veth");
  if (await linkExists(outside)) {
    throw new Fault("bad_request", `Interface "${outside}" exists already on the host`, {
      hint: "Choose another host_name.",
    });
  }
  await device.host.setVolatile({ [`volatile.${device.name}.host_name`]: outside });
  undo.add("forget host name", () => forgetRunning(nic));
  return {
    outside,
    inside: await interfaceName(device),
    hwaddr: await hwaddrOf(device),
    mtu: config["mtu"] || (parent === "" ? "" : await mtuOf(parent)),
  };
}

async function mtuOf(link: string): Promise<string> {
  return (await Deno.readTextFile(`/sys/class/net/${link}/mtu`)).trim();
}

/** The nic's MTU, or that of the link below it. @throws {Fault} bad_request if it is larger than that. */
export async function mtuWithin({ device, config }: Nic, link: string): Promise<string> {
  const most = await mtuOf(link);
  const wanted = config["mtu"] || most;
  if (Number(wanted) <= Number(most)) return wanted;
  throw new Fault(
    "bad_request",
    `Failed to start device "${device.name}": mtu ${wanted} is larger than that of "${link}"`,
    { hint: `"${link}" has ${most}.` },
  );
}

/** Lines of lxc.conf: liblxc makes the pair at start, which costs least. */
export function pairLines(pair: Pair, options: { bridge?: string } = {}): [string, string][] {
  const line = (key: string, value: string): [string, string] => [`lxc.net.{n}.${key}`, value];
  return [
    line("type", "veth"),
    line("veth.pair", pair.outside),
    line("flags", "up"),
    ...(options.bridge === undefined ? [] : [line("link", options.bridge)]),
    line("name", pair.inside),
    line("hwaddr", pair.hwaddr),
    ...(pair.mtu === "" ? [] : [line("mtu", pair.mtu)]),
  ];
}

/** Make the pair now and move one end into a running container. */
export async function plugPair(
  pair: Pair,
  pid: Pid,
  options: { bridge?: string; undo: Undo },
): Promise<void> {
  const peer = randomName("veth");
  const mtu = pair.mtu === "" ? "" : ` mtu ${pair.mtu}`;
  options.undo.add("remove interface", async () => {
    for (const link of [pair.outside, peer]) await removeLink(link);
  });
  await ipBatch([
    `link add ${pair.outside}${mtu} type veth peer name ${peer}${mtu} address ${pair.hwaddr}`,
    ...(options.bridge === undefined
      ? []
      : [`link set dev ${pair.outside} master ${options.bridge}`]),
    `link set dev ${pair.outside} up`,
  ]);
  await run(["ip", "link", "set", "dev", peer, "netns", String(pid), "name", pair.inside]);
  await run(inside(pid, "ip", "link", "set", "dev", pair.inside, "up"));
}

/** A command in the network namespace of a container. */
export function inside(pid: Pid, ...argv: string[]): string[] {
  return ["nsenter", "-t", String(pid), "-n", "--", ...argv];
}

/** Of the kernel's veth. */
const QUEUE_DEFAULT = "1000";

async function setQueue(link: string, length: string): Promise<void> {
  await run(["ip", "link", "set", "dev", link, "txqueuelen", length]);
}

/** Limits and queue length of the host's end, once it is there. */
export async function dressPair(nic: Nic): Promise<void> {
  const link = hostNameOf(nic.device);
  if (link === undefined) return;
  const queue = nic.config["queue.tx.length"] ?? "";
  if (queue !== "") await setQueue(link, queue);
  const hasLimits = Object.keys(nic.config).some((key) => key.startsWith("limits."));
  if (hasLimits) await applyLimits({ link, owner: ownerOf(nic) }, nic.config);
}

/** Make limits and queue length what the options say, whatever they were. */
export async function changeLimits(nic: Nic): Promise<void> {
  const link = hostNameOf(nic.device);
  if (link === undefined) return;
  await setQueue(link, nic.config["queue.tx.length"] || QUEUE_DEFAULT);
  await applyLimits({ link, owner: ownerOf(nic) }, nic.config);
}

/** The pair goes, and what hangs on its name. Idempotent. */
export async function removePair(nic: Nic): Promise<void> {
  const link = hostNameOf(nic.device);
  if (link !== undefined) {
    const hasLimits = Object.keys(nic.config).some((key) => key.startsWith("limits."));
    if (hasLimits) await removeLimits({ link, owner: ownerOf(nic) });
    await removeLink(link);
  }
  await forgetRunning(nic);
}

const ROUTES = ["ipv4.routes", "ipv6.routes", "ipv4.routes.external", "ipv6.routes.external"];

/** Subnets that lead to the nic. */
function routesOf(config: Nic["config"]): string[] {
  return ROUTES.flatMap((key) => listOf(config[key]));
}

/** ipv4.routes and ipv6.routes, to the link. What is there is replaced; `proto boot` marks them as ours. */
export async function addRoutes(config: Nic["config"], link: string): Promise<void> {
  await ipBatch(routesOf(config).map((route) => `route replace ${route} dev ${link} proto boot`));
}

/** Those of addRoutes; what has gone is no error. */
export async function removeRoutes(config: Nic["config"], link: string): Promise<void> {
  for (const route of routesOf(config)) {
    await runUnlessGone(["ip", "route", "delete", route, "dev", link, "proto", "boot"]);
  }
}
