/** An interface of the host, handed over whole; it comes back when the instance stops. */
import { Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { ipBatch, ipJson, type IpLink, linkExists, runUnlessGone } from "#daemon/host/links.ts";
import type { Nic, NicKind } from "./kind.ts";
import { forgetRunning, interfaceName } from "./names.ts";
import { claimParent, releaseParent } from "./parent.ts";
import { leaveNamespace } from "./namespace.ts";
import { wholeLink } from "./whole_link.ts";

/** Remember MAC and MTU of the interface, and set those of the options. */
async function prepare(nic: Nic, undo: Undo): Promise<{ link: string; name: string }> {
  const { device, config, parent } = nic;
  if ((config["vlan"] ?? "") === "" && !await linkExists(parent)) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't exist`, {
      hint: "Another instance may have it.",
    });
  }
  const link = await claimParent(nic, undo);
  const [before] = await ipJson<IpLink>("link", "show", "dev", link);
  const prefix = `volatile.${device.name}`;
  await device.host.setVolatile({
    [`${prefix}.host_name`]: link,
    [`${prefix}.last_state.hwaddr`]: before?.address,
    [`${prefix}.last_state.mtu`]: String(before?.mtu ?? ""),
    [`${prefix}.last_state.created`]: device.host.volatile(device.name, "last_state.created") ??
      "false",
  });
  undo.add("give the interface back", () => giveBack(nic));
  const { hwaddr, mtu } = config;
  await ipBatch([
    `link set dev ${link} down`,
    ...(hwaddr ? [`link set dev ${link} address ${hwaddr}`] : []),
    ...(mtu ? [`link set dev ${link} mtu ${mtu}`] : []),
  ]);
  return { link, name: await interfaceName(device) };
}

/** The interface is on the host again, as it was. Idempotent. */
async function giveBack(nic: Nic): Promise<void> {
  const { device } = nic;
  const get = (key: string) => device.host.volatile(device.name, key);
  const link = get("host_name");
  if (link === undefined) return;
  await leaveNamespace(device, { link, name: await interfaceName(device) });
  if (get("last_state.created") === "true") await releaseParent(nic);
  else if (await linkExists(link)) {
    const [hwaddr, mtu] = [get("last_state.hwaddr"), get("last_state.mtu")];
    await ipBatch([
      `link set dev ${link} down`,
      ...(hwaddr ? [`link set dev ${link} address ${hwaddr}`] : []),
      ...(mtu ? [`link set dev ${link} mtu ${mtu}`] : []),
    ]);
    await runUnlessGone(["ip", "link", "set", "dev", link, "up"]);
  }
  await forgetRunning(nic);
  if (nic.config["name"]) return;
  await device.host.setVolatile({ [`volatile.${device.name}.name`]: undefined });
}

export const physical: NicKind = {
  type: "physical",
  live: [],
  ...wholeLink({ prepare, giveBack }),
};
