/** An interface that shares its parent's MAC address, told apart by IP address. liblxc makes it. */
import { Fault } from "#base/errors.ts";
import { parseAddress, parseSubnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import type { Undo } from "#base/undo.ts";
import { ipBatch, linkExists, removeLink } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import { invalidDevice } from "#daemon/devices/check_keys.ts";
import type { Nic, NicKind } from "./kind.ts";
import { forgetRunning, interfaceName, randomName } from "./names.ts";
import { claimParent, releaseParent } from "./parent.ts";
import { mtuWithin } from "./veth.ts";
import { vlanLink } from "./vlan.ts";

const FAMILIES = [4, 6] as const;

const modeOf = ({ config }: Pick<Nic, "config">) => config["mode"] || "l3s";

/** An interface whose instance was killed keeps its addresses until the kernel has cleaned up. */
const FREE_MS = 5_000;
const TRY_MS = 100;

/**
 * Try what liblxc will do, whose errors say less. The mode is that of all on this parent: the probe has
 * that of the nic.
 *
 * @throws {Fault} bad_request if the kernel has no ipvlan, or an address is another's on this parent.
 */
async function requireIpvlan(nic: Nic, parent: string, undo: Undo): Promise<void> {
  const probe = randomName("ipv");
  undo.add("remove the probe", () => removeLink(probe));
  const kind = ["type", "ipvlan", "mode", modeOf(nic), "bridge"];
  try {
    await run(["ip", "link", "add", "name", probe, "link", parent, ...kind]);
  } catch (error) {
    throw new Fault("bad_request", "The kernel can't make ipvlan interfaces on this parent", {
      cause: error,
      hint: "It needs CONFIG_IPVLAN; the nictypes routed and macvlan are near to it.",
    });
  }
  try {
    for (const one of FAMILIES.flatMap((family) => listOf(nic.config[`ipv${family}.address`]))) {
      await requireFree(one.split("/")[0] ?? "", parent, probe);
    }
  } finally {
    await removeLink(probe);
  }
}

async function requireFree(address: string, parent: string, probe: string): Promise<void> {
  const late = performance.now() + FREE_MS;
  for (;;) {
    try {
      return void await run(["ip", "addr", "add", address, "dev", probe]);
    } catch (error) {
      if (performance.now() < late) {
        await new Promise((resolve) => setTimeout(resolve, TRY_MS));
        continue;
      }
      throw new Fault("bad_request", `Address "${address}" is in use on "${parent}"`, {
        cause: error,
        hint: "Another ipvlan interface of this parent has it.",
      });
    }
  }
}

/** Routes of the host in a table of their own lead to the parent's local addresses. */
async function hostRoutes(nic: Nic, verb: "replace" | "del"): Promise<void> {
  const link = vlanLink(nic.parent, nic.config["vlan"]);
  for (const family of FAMILIES) {
    const table = nic.config[`ipv${family}.host_table`] ?? "";
    if (table === "") continue;
    for (const one of listOf(nic.config[`ipv${family}.address`])) {
      const address = `${one.split("/")[0]}/${family === 4 ? 32 : 128}`;
      const line = `route ${verb} ${address} dev ${link} proto boot table ${table}`;
      if (verb === "replace") await ipBatch([line]);
      else await ipBatch([line]).catch(() => undefined); // Ignored: it went with the parent.
    }
  }
}

async function leave(nic: Nic): Promise<void> {
  await hostRoutes(nic, "del");
  if (modeOf(nic) === "l3s") await leaveProxies(nic);
  await releaseParent(nic);
  await forgetRunning(nic);
}

/** What liblxc makes for `l2proxy`: the host answers in the instance's place, and has a route of its own. */
async function leaveProxies(nic: Nic): Promise<void> {
  const link = vlanLink(nic.parent, nic.config["vlan"]);
  const hasLink = await linkExists(link);
  for (const family of FAMILIES) {
    for (const one of listOf(nic.config[`ipv${family}.address`])) {
      const address = one.split("/")[0] ?? "";
      const remove = (...words: string[]) =>
        run(["ip", `-${family}`, ...words])
          .catch(() => undefined); // Ignored: liblxc has removed it.
      if (hasLink) await remove("neigh", "del", "proxy", address, "dev", link);
      await remove("route", "del", `${address}/${family === 4 ? 32 : 128}`, "dev", "lo");
    }
  }
}

export const ipvlan: NicKind = {
  type: "ipvlan",
  live: [],
  check(name, wish) {
    for (const family of FAMILIES) {
      const gateway = wish.config[`ipv${family}.gateway`] ?? "";
      if (modeOf(wish) === "l3s" && !["", "auto", "none"].includes(gateway)) {
        throw invalidDevice(name, `"ipv${family}.gateway" can only be auto or none in l3s mode`);
      }
      for (const one of listOf(wish.config[`ipv${family}.address`])) {
        if (parseAddress(one) !== undefined) continue;
        if (modeOf(wish) === "l2" && parseSubnet(one) !== undefined) continue;
        throw invalidDevice(name, `Invalid address "${one}"`);
      }
    }
  },
  async start(nic, undo) {
    const link = await claimParent(nic, undo, { forwards: true });
    await requireIpvlan(nic, link, undo);
    undo.add("remove routes", () => leave(nic));
    const line = (key: string, value: string): [string, string] => [`lxc.net.{n}.${key}`, value];
    const lines = [
      line("type", "ipvlan"),
      line("ipvlan.mode", modeOf(nic)),
      line("ipvlan.isolation", "bridge"),
      line("flags", "up"),
      line("link", link),
      line("name", await interfaceName(nic.device)),
      line("mtu", await mtuWithin(nic, link)),
      ...(modeOf(nic) === "l3s" ? [line("l2proxy", "1")] : []),
    ];
    for (const family of FAMILIES) {
      const addresses = listOf(nic.config[`ipv${family}.address`]);
      const bits = family === 4 ? 32 : 128;
      for (const one of addresses) {
        lines.push(line(`ipv${family}.address`, one.includes("/") ? one : `${one}/${bits}`));
      }
      const gateway = nic.config[`ipv${family}.gateway`] || (modeOf(nic) === "l3s" ? "auto" : "");
      if (addresses.length === 0 || gateway === "" || gateway === "none") continue;
      lines.push(line(`ipv${family}.gateway`, gateway === "auto" ? "dev" : gateway));
    }
    return { lxc: lines, afterStart: () => hostRoutes(nic, "replace") };
  },
  stop: leave,
};
