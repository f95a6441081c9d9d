/** Rules of iptables-legacy, which nft does not show, as objects like nft's. Pure. */
import { LEGACY_TABLE, type NftObject } from "./foreign_firewall.ts";

/** @param text Of the helper's verb `xtables`, for the family. */
export function legacyObjects(family: "ip" | "ip6", text: string): NftObject[] {
  const place = { family, table: LEGACY_TABLE };
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [what, first = "", second = "", extent, verdict = ""] = line.split("\t");
    if (what === "policy") {
      return { chain: { ...place, name: "FORWARD", hook: "forward", policy: first } };
    }
    if (what === "chain") return { chain: { ...place, name: first } };
    const interfaces = [["iifname", first], ["oifname", second]].filter(([, name]) => name !== "");
    const matches = interfaces.map(([key, name]) => ({
      match: { left: { meta: { key } }, right: name?.replace(/\+$/, "*") },
    }));
    const others = extent === "some" && matches.length === 0 ? [{ match: {} }] : [];
    return { rule: { ...place, expr: [...matches, ...others, { [verdict]: null }] } };
  });
}
