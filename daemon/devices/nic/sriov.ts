/** A virtual function of a network card, handed over whole. */
import { Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { isTrue } from "#base/units.ts";
import { ipBatch, ipJson, type IpLink, linkExists } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { Nic, NicKind } from "./kind.ts";
import { forgetRunning, hwaddrOf, interfaceName } from "./names.ts";
import { leaveNamespace } from "./namespace.ts";
import { wholeLink } from "./whole_link.ts";

interface Function {
  readonly id: number;
  readonly link: string;
}

/** The first function whose interface is on the host and down: nobody uses it. */
async function freeFunction(parent: string): Promise<Function> {
  const device = `/sys/class/net/${parent}/device`;
  const count = Number(await Deno.readTextFile(`${device}/sriov_numvfs`).catch(() => "-1"));
  if (count < 0) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't support SR-IOV`, {
      hint: "Use nictype macvlan or bridged.",
    });
  }
  for (let id = 0; id < count; id++) {
    const folder = `${device}/virtfn${id}/net`;
    const [entry] = await Array.fromAsync(Deno.readDir(folder)).catch(() => []); // Ignored: taken.
    if (entry === undefined) continue;
    const [link] = await ipJson<IpLink>("link", "show", "dev", entry.name);
    if (link?.flags.includes("UP") === false) return { id, link: entry.name };
  }
  throw new Fault(
    "bad_request",
    `All virtual functions of sriov device "${parent}" seem to be in use`,
    { hint: `More of them: echo N >${device}/sriov_numvfs` },
  );
}

async function setFunction(nic: Nic, id: number): Promise<void> {
  const { config, device, parent } = nic;
  const vf = (...words: string[]) =>
    run(["ip", "link", "set", "dev", parent, "vf", String(id), ...words]);
  const isChecked = isTrue(config["security.mac_filtering"]);
  await vf("vlan", config["vlan"] || "0");
  // Checked before the address is set, some drivers drop all that follows.
  await vf("spoofchk", "off").catch(() => undefined); // Ignored: not all drivers have it.
  await vf("mac", await hwaddrOf(device));
  if (isChecked) await vf("spoofchk", "on");
}

async function prepare(nic: Nic, undo: Undo): Promise<{ link: string; name: string }> {
  const { device, config, parent } = nic;
  if (!await linkExists(parent)) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't exist`);
  }
  const { id, link } = await freeFunction(parent);
  const [before] = await ipJson<IpLink>("link", "show", "dev", link);
  const prefix = `volatile.${device.name}`;
  await device.host.setVolatile({
    [`${prefix}.host_name`]: link,
    [`${prefix}.last_state.created`]: "false",
    [`${prefix}.last_state.hwaddr`]: before?.address,
    [`${prefix}.last_state.mtu`]: String(before?.mtu ?? ""),
    [`${prefix}.last_state.vf.parent`]: parent,
    [`${prefix}.last_state.vf.id`]: String(id),
  });
  undo.add("give the function back", () => giveBack(nic));
  await setFunction(nic, id);
  const hwaddr = await hwaddrOf(device);
  await ipBatch([
    `link set dev ${link} address ${hwaddr}`,
    ...(config["mtu"] ? [`link set dev ${link} mtu ${config["mtu"]}`] : []),
  ]);
  return { link, name: await interfaceName(device) };
}

/** Idempotent. */
async function giveBack(nic: Nic): Promise<void> {
  const { device, parent } = nic;
  const get = (key: string) => device.host.volatile(device.name, key);
  const [link, id] = [get("host_name"), get("last_state.vf.id")];
  if (link === undefined) return;
  await leaveNamespace(device, { link, name: await interfaceName(device) });
  if (await linkExists(link)) await run(["ip", "link", "set", "dev", link, "down"]);
  if (id !== undefined) {
    await run(["ip", "link", "set", "dev", parent, "vf", id, "vlan", "0"])
      .catch(() => undefined); // Ignored: the card is gone, or has fewer functions by now.
  }
  await forgetRunning(nic);
}

export const sriov: NicKind = {
  type: "sriov",
  live: ["security.mac_filtering", "vlan"],
  ...wholeLink({ prepare, giveBack }),
  async update(nic) {
    const id = nic.device.host.volatile(nic.device.name, "last_state.vf.id");
    if (id !== undefined) await setFunction(nic, Number(id));
  },
};
