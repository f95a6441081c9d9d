/** Rate limits of the host's end of a veth pair, by tc(8) and, where the kernel can't police, nft(8). */
import { parseBitRate } from "#api/config/device_nic.ts";
import { Fault, isFaultOf, messageOf } from "#base/errors.ts";
import { applyRuleset, removeChains, tableText } from "#daemon/host/nft.ts";
import { runUnlessGone } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { DeviceConfig } from "#daemon/devices/device.ts";

export interface LimitedLink {
  /** The host's end. */
  readonly link: string;
  /** Unique name for the rules: "<instance>.<device>". */
  readonly owner: string;
}

const rateOf = (config: DeviceConfig, direction: "ingress" | "egress") =>
  config["limits.max"] || config[`limits.${direction}`] || "";

/** Make the limits of a link what the options say. */
export async function applyLimits(target: LimitedLink, config: DeviceConfig): Promise<void> {
  await removeLimits(target);
  const [ingress, egress] = [rateOf(config, "ingress"), rateOf(config, "egress")];
  // What reaches the instance leaves the host's end, and the other way round.
  if (ingress !== "") await limitLeaving(target.link, parseBitRate(ingress));
  if (egress !== "") await limitEntering(target, parseBitRate(egress));
}

/** Idempotent. */
export async function removeLimits({ link, owner }: LimitedLink): Promise<void> {
  for (const root of [["root"], ["ingress"]]) {
    await runUnlessGone(["tc", "qdisc", "del", "dev", link, ...root]);
  }
  try {
    await applyRuleset(removeChains("netdev", [chainName(owner)]));
  } catch (error) {
    // Ignored: a kernel without nft's netdev family has no chain of it.
    if (!isFaultOf(error, "bad_request")) throw error;
  }
}

async function limitLeaving(link: string, bits: number): Promise<void> {
  const tc = (...argv: string[]) => run(["tc", ...argv]);
  await tc("qdisc", "replace", "dev", link, "root", "handle", "1:0", "htb", "default", "10");
  await tc(
    ...["class", "add", "dev", link, "parent", "1:0"],
    ...["classid", "1:10", "htb", "rate", `${bits}bit`],
  );
}

async function limitEntering({ link, owner }: LimitedLink, bits: number): Promise<void> {
  const tc = (...argv: string[]) => run(["tc", ...argv]);
  try {
    await tc("qdisc", "replace", "dev", link, "handle", "ffff:0", "ingress");
    await tc(
      ...["filter", "add", "dev", link, "parent", "ffff:0", "protocol", "all"],
      ...["u32", "match", "u32", "0", "0"],
      ...["police", "rate", `${bits}bit`, "burst", String(burst(bits)), "mtu", "64kb", "drop"],
    );
  } catch {
    // Ignored: a kernel without act_police; nft counts as well.
    await runUnlessGone(["tc", "qdisc", "del", "dev", link, "ingress"]);
    await limitByNft({ link, owner }, bits);
  }
}

async function limitByNft({ link, owner }: LimitedLink, bits: number): Promise<void> {
  const bytes = Math.max(1, Math.round(bits / 8));
  try {
    await applyRuleset(tableText("netdev", [{
      name: chainName(owner),
      hook: `type filter hook ingress device "${link}" priority 0; policy accept;`,
      rules: [`limit rate over ${bytes} bytes/second burst ${burst(bits)} bytes drop`],
    }]));
  } catch (error) {
    throw new Fault("bad_request", `cannot limit what leaves by "${link}": ${messageOf(error)}`, {
      cause: error,
      hint: "The kernel has neither act_police nor nft's netdev ingress hook.",
    });
  }
}

/** What 40 ms bring, and never less than one large frame. */
function burst(bits: number): number {
  return Math.max(65536, Math.round(bits / 8 / 25));
}

const chainName = (owner: string) => `egress.${owner}`;
