/** The interface of the host that a nic hangs on, made for it where it is a VLAN. */
import { Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { linkExists, writeSysctl } from "#daemon/host/links.ts";
import type { Nic } from "./kind.ts";
import { createVlan, removeVlan, vlanLink } from "./vlan.ts";

const FORWARDING = [
  "net/ipv4/conf/LINK/forwarding",
  "net/ipv6/conf/LINK/forwarding",
  "net/ipv6/conf/LINK/proxy_ndp",
];

/**
 * @param options.forwards A VLAN interface that is made passes on packets and answers for addresses of
 *   instances; of one that is there its owner decides.
 * @returns its name. @throws {Fault} bad_request if there is none and it can't be made.
 */
export async function claimParent(
  nic: Nic,
  undo: Undo,
  { forwards = false }: { readonly forwards?: boolean } = {},
): Promise<string> {
  const { device, parent, config } = nic;
  if (!await linkExists(parent)) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't exist`, {
      hint: "The interfaces of the host are listed by: lxc network list",
    });
  }
  const isMade = await createVlan(parent, config);
  if (isMade) undo.add("remove VLAN interface", () => removeVlan(parent, config));
  const link = vlanLink(parent, config["vlan"]);
  if (isMade && forwards) {
    for (const path of FORWARDING) await writeSysctl(path.replace("LINK", link), "1");
  }
  if (link !== parent) {
    const key = `volatile.${device.name}.last_state.created`;
    await device.host.setVolatile({ [key]: String(isMade) });
  }
  return link;
}

/** Remove the VLAN interface that was made for this nic. Idempotent. */
export async function releaseParent({ device, parent, config }: Nic): Promise<void> {
  if (device.host.volatile(device.name, "last_state.created") !== "true") return;
  // Ignored: another nic uses it.
  await removeVlan(parent, config).catch(() => undefined);
}
