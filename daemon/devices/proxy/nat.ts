/** Proxies without a process: the firewall sends what comes in to the instance. */
import { parseAddress } from "#base/ip.ts";
import { applyRuleset, type Chain, removeChains, tableText } from "#daemon/host/nft.ts";
import type { ProxyWish } from "./wish.ts";

const TITLES = ["prert", "out", "pstrt"];

/** Pure. */
function natChains(owner: string, { listen, connect }: ProxyWish, target: string): Chain[] {
  const family = parseAddress(listen.host)?.family === 6 ? "ip6" : "ip";
  const host = family === "ip6" ? `[${target}]` : target;
  const rules = portRanges(listen.ports, connect.ports).map(({ from, to }) => {
    const goal = to === "" ? target : `${host}:${to}`;
    return {
      dnat: `${family} daddr ${listen.host} ${listen.type} dport ${from} dnat ${family} to ${goal}`,
      // An instance that calls itself through the host.
      hairpin: `${family} saddr ${target} ${family} daddr ${target} ${listen.type} dport ${
        to === "" ? from : to
      } masquerade`,
    };
  });
  const nat = (hook: string, priority: number) =>
    `type nat hook ${hook} priority ${priority}; policy accept;`;
  const dnat = rules.map((rule) => rule.dnat);
  return [
    { name: `prert.${owner}`, hook: nat("prerouting", -100), rules: dnat },
    { name: `out.${owner}`, hook: nat("output", -100), rules: dnat },
    { name: `pstrt.${owner}`, hook: nat("postrouting", 100), rules: rules.map((r) => r.hairpin) },
  ];
}

/** Runs of ports that lead to one port, or to the same ports (""). */
function portRanges(
  listen: readonly number[],
  connect: readonly number[],
): { from: string; to: string }[] {
  const [only = 0] = connect;
  const runs: { first: number; last: number; to: number | "same" }[] = [];
  for (const [index, port] of listen.entries()) {
    const goal = connect.length === 1 ? only : connect[index] ?? only;
    const to = goal === port && connect.length > 1 ? "same" : goal;
    const run = runs.at(-1);
    if (run?.last === port - 1 && run.to === to) run.last = port;
    else runs.push({ first: port, last: port, to });
  }
  return runs.map(({ first, last, to }) => ({
    from: first === last ? String(first) : `${first}-${last}`,
    to: to === "same" ? "" : String(to),
  }));
}

/** Replaces the rules of `owner` in one step. @throws {Fault} bad_request if the kernel lacks nftables. */
export async function applyNat(owner: string, wish: ProxyWish, target: string): Promise<void> {
  await applyRuleset(removal(owner) + tableText("inet", natChains(owner, wish, target)));
}

/** Idempotent. */
export async function removeNat(owner: string): Promise<void> {
  await applyRuleset(removal(owner));
}

const removal = (owner: string) => removeChains("inet", TITLES.map((one) => `${one}.${owner}`));
