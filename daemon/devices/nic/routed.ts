/** A veth pair with routes to its addresses, and the parent answering for them: no bridge. */
import { Fault } from "#base/errors.ts";
import { parseAddress } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isFalse } from "#base/units.ts";
import type { Pid } from "#base/brand.ts";
import type { Undo } from "#base/undo.ts";
import { ipBatch, linkExists, runUnlessGone, writeSysctl } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import { invalidDevice } from "#daemon/devices/check_keys.ts";
import type { Nic, NicKind } from "./kind.ts";
import { hostNameOf } from "./names.ts";
import { claimParent, releaseParent } from "./parent.ts";
import {
  addRoutes,
  changeLimits,
  dressPair,
  inside,
  pairLines,
  planPair,
  plugPair,
  removePair,
  removeRoutes,
} from "./veth.ts";
import { vlanLink } from "./vlan.ts";

const HOST_ADDRESS = { 4: "169.254.0.1", 6: "fe80::1" } as const;
const FAMILIES = [4, 6] as const;
const PROBE_SECONDS = 1;

function addressesOf(nic: Pick<Nic, "config">, family: 4 | 6): string[] {
  return listOf(nic.config[`ipv${family}.address`]);
}

const hostAddress = (nic: Nic, family: 4 | 6) =>
  nic.config[`ipv${family}.host_address`] || HOST_ADDRESS[family];

const gatewayOf = (nic: Nic, family: 4 | 6) => nic.config[`ipv${family}.gateway`] || "auto";

async function prepare(nic: Nic, undo: Undo) {
  const { parent } = nic;
  const link = parent === "" ? "" : await claimParent(nic, undo, { forwards: true });
  if (link !== "") await requireForwarding(nic, link);
  for (const family of FAMILIES) {
    if (link === "" || isFalse(nic.config[`ipv${family}.neighbor_probe`])) continue;
    for (const address of addressesOf(nic, family)) await refuseTaken(address, link, family);
  }
  return await planPair({ ...nic, parent: link }, undo);
}

/** @throws {Fault} bad_request saying which sysctl to set. */
async function requireForwarding(nic: Nic, link: string): Promise<void> {
  const wanted = addressesOf(nic, 6).length === 0
    ? []
    : [["net/ipv6/conf/all/forwarding"], [`net/ipv6/conf/${link}/proxy_ndp`]];
  for (const [path = ""] of wanted) {
    const value = await Deno.readTextFile(`/proc/sys/${path}`).catch(() => "1");
    if (value.trim() !== "0") continue;
    const name = path.replaceAll("/", ".");
    throw new Fault("bad_request", `Routed mode requires sysctl ${name}=1`, {
      hint: `sysctl ${path}=1`,
    });
  }
}

/** Ask the network whether somebody has the address. @throws {Fault} bad_request */
async function refuseTaken(address: string, link: string, family: 4 | 6): Promise<void> {
  const ping = ["ping", `-${family}`, "-c1", `-W${PROBE_SECONDS}`, "-I", link, "--", address];
  const isTaken = await run(ping).then(() => true, () => false);
  if (!isTaken) return;
  throw new Fault("bad_request", `IP address "${address}" in use on parent network "${link}"`, {
    hint: `ipv${family}.neighbor_probe=false starts it all the same.`,
  });
}

/** The host's side: addresses, routes to the instance, the parent that answers for it. */
async function dress(nic: Nic): Promise<void> {
  const link = hostNameOf(nic.device);
  if (link === undefined) return;
  await writeSysctl(`net/ipv4/conf/${link}/forwarding`, "1");
  await writeSysctl(`net/ipv4/conf/${link}/rp_filter`, "2");
  await writeSysctl(`net/ipv6/conf/${link}/forwarding`, "1");
  await writeSysctl(`net/ipv6/conf/${link}/accept_dad`, "0");
  const lines: string[] = [];
  const parent = nic.parent === "" ? "" : vlanLink(nic.parent, nic.config["vlan"]);
  for (const family of FAMILIES) {
    const addresses = addressesOf(nic, family);
    const bits = family === 4 ? 32 : 128;
    if (addresses.length > 0 && gatewayOf(nic, family) === "auto") {
      const nodad = family === 6 ? " nodad" : "";
      lines.push(`address replace ${hostAddress(nic, family)}/${bits} dev ${link}${nodad}`);
    }
    const table = nic.config[`ipv${family}.host_table`] ?? "";
    for (const address of addresses) {
      lines.push(`route replace ${address}/${bits} dev ${link} proto boot`);
      if (table !== "") {
        lines.push(`route replace ${address}/${bits} dev ${link} proto boot table ${table}`);
      }
      if (parent !== "") lines.push(`neigh replace proxy ${address} dev ${parent}`);
    }
  }
  await ipBatch(lines);
  await dressPair(nic);
  await addRoutes(nic.config, link);
}

/** Idempotent: routes go with the pair, what the parent answers for does not. */
async function leave(nic: Nic): Promise<void> {
  const parent = nic.parent === "" ? "" : vlanLink(nic.parent, nic.config["vlan"]);
  if (parent !== "" && await linkExists(parent)) {
    for (const address of FAMILIES.flatMap((family) => addressesOf(nic, family))) {
      await runUnlessGone(["ip", "neigh", "del", "proxy", address, "dev", parent]);
    }
  }
  await releaseParent(nic);
  await removePair(nic);
}

function insideLines(nic: Nic): [string, string][] {
  return FAMILIES.flatMap((family): [string, string][] => {
    const addresses = addressesOf(nic, family);
    if (addresses.length === 0) return [];
    const lines = addresses.map((one): [string, string] => [
      `lxc.net.{n}.ipv${family}.address`,
      `${one}/${family === 4 ? 32 : 128}`,
    ]);
    const gateway = gatewayOf(nic, family);
    if (gateway === "auto") {
      lines.push([`lxc.net.{n}.ipv${family}.gateway`, hostAddress(nic, family)]);
    }
    return lines;
  });
}

/** What liblxc does of `insideLines` at a start. Routes that the instance has already stay. */
async function dressInside(nic: Nic, link: string, pid: Pid): Promise<void> {
  for (const family of FAMILIES) {
    const ip = (...argv: string[]) => run(inside(pid, "ip", `-${family}`, ...argv));
    const bits = family === 4 ? 32 : 128;
    const addresses = addressesOf(nic, family);
    const nodad = family === 6 ? ["nodad"] : [];
    for (const one of addresses) {
      await ip("address", "replace", `${one}/${bits}`, "dev", link, ...nodad);
    }
    if (addresses.length === 0 || gatewayOf(nic, family) !== "auto") continue;
    const gateway = hostAddress(nic, family);
    await ip("route", "replace", `${gateway}/${bits}`, "dev", link);
    await ip("route", "add", "default", "via", gateway, "dev", link)
      .catch(() => undefined); // Ignored: another interface has the default route.
  }
}

export const routed: NicKind = {
  type: "routed",
  live: [
    ...["limits.egress", "limits.ingress", "limits.max", "queue.tx.length"],
    ...["ipv4.routes", "ipv6.routes"],
  ],
  check(name, { config, parent }) {
    if (parent === "" && (config["vlan"] ?? "") !== "") {
      throw invalidDevice(name, 'The "vlan" setting can only be used when combined with a parent');
    }
    for (const family of FAMILIES) {
      const gateway = config[`ipv${family}.gateway`] ?? "";
      if (!["", "auto", "none"].includes(gateway)) {
        throw invalidDevice(name, `Invalid value for "ipv${family}.gateway": want auto or none`);
      }
      for (const one of listOf(config[`ipv${family}.address`])) {
        if (parseAddress(one) !== undefined) continue;
        throw invalidDevice(name, `Invalid address "${one}": routed nics have single addresses`);
      }
      const isRouting = (config[`ipv${family}.routes`] ?? "") !== "";
      if (isRouting && (config[`ipv${family}.address`] ?? "") === "") {
        throw invalidDevice(name, `ipv${family}.routes requires ipv${family}.address to be set`);
      }
    }
  },
  async start(nic, undo) {
    const pair = await prepare(nic, undo);
    undo.add("remove the pair and its routes", () => leave(nic));
    return {
      lxc: [...pairLines(pair), ...insideLines(nic)],
      afterStart: () => dress(nic),
    };
  },
  stop: leave,
  async plug(nic, pid, undo) {
    const pair = await prepare(nic, undo);
    undo.add("remove the pair and its routes", () => leave(nic));
    await plugPair(pair, pid, { undo });
    await dress(nic);
    await dressInside(nic, pair.inside, pid);
  },
  unplug: leave,
  async update(nic, before) {
    const link = hostNameOf(nic.device);
    if (link === undefined) return;
    await changeLimits(nic);
    await removeRoutes(before.config, link);
    await addRoutes(nic.config, link);
  },
};
