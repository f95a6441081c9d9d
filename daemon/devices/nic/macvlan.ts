/** An interface of its own MAC address beside its parent: the host itself can't be reached by it. */
import type { Pid } from "#base/brand.ts";
import type { Undo } from "#base/undo.ts";
import { ipBatch, removeLink, runUnlessGone } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { Nic, NicKind } from "./kind.ts";
import { forgetRunning, hwaddrOf, interfaceName, randomName } from "./names.ts";
import { keepNamespace, removeWithNamespace } from "./namespace.ts";
import { claimParent, releaseParent } from "./parent.ts";
import { inside, mtuWithin } from "./veth.ts";

async function prepare(nic: Nic, undo: Undo) {
  const link = await claimParent(nic, undo);
  const { device } = nic;
  return {
    link,
    hwaddr: await hwaddrOf(device),
    name: await interfaceName(device),
    mtu: await mtuWithin(nic, link),
  };
}

/** Idempotent. */
async function removeInside(pid: Pid, name: string): Promise<void> {
  await runUnlessGone(inside(pid, "ip", "link", "delete", "dev", name));
}

/** @returns whether the interface could be looked for. */
async function leave(nic: Nic): Promise<boolean> {
  const wasKept = await removeWithNamespace(nic.device, await interfaceName(nic.device));
  await releaseParent(nic);
  await forgetRunning(nic);
  return wasKept;
}

export const macvlan: NicKind = {
  type: "macvlan",
  live: [],
  async start(nic, undo) {
    undo.add("remove interface", async () => void await leave(nic));
    const { link, hwaddr, name, mtu } = await prepare(nic, undo);
    const line = (key: string, value: string): [string, string] => [`lxc.net.{n}.${key}`, value];
    return {
      lxc: [
        line("type", "macvlan"),
        line("macvlan.mode", "bridge"),
        line("flags", "up"),
        line("link", link),
        line("name", name),
        line("hwaddr", hwaddr),
        line("mtu", mtu),
      ],
      afterStart: (pid) => keepNamespace(nic.device, pid, name),
    };
  },
  async stop(nic) {
    await leave(nic);
  },
  async plug(nic, pid, undo) {
    const { link, hwaddr, name, mtu } = await prepare(nic, undo);
    const made = randomName("mac");
    undo.add("remove interface", async () => {
      await removeLink(made);
      await removeInside(pid, name);
      await removeWithNamespace(nic.device, name);
    });
    await ipBatch([
      `link add ${made} link ${link} address ${hwaddr} type macvlan mode bridge`,
      `link set dev ${made} mtu ${mtu}`,
    ]);
    await run(["ip", "link", "set", "dev", made, "netns", String(pid), "name", name]);
    await run(inside(pid, "ip", "link", "set", "dev", name, "up"));
    await keepNamespace(nic.device, pid, name);
  },
  async unplug(nic, pid) {
    if (!await leave(nic)) await removeInside(pid, await interfaceName(nic.device));
  },
};
