/** Warns of networks whose traffic another firewall of the host drops. */
import type { HostPath } from "#base/brand.ts";
import type { Database } from "#daemon/db/db.ts";
import { listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import {
  NETWORK_ENTITY,
  raiseWarning,
  resolveWarnings,
  WARNING_TYPES,
} from "#daemon/db/warnings.ts";
import { run } from "#daemon/host/run.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import {
  firewallsAgainst,
  firewallText,
  type ForeignFirewall,
  type NftObject,
} from "./foreign_firewall.ts";
import { legacyObjects } from "./legacy_firewall.ts";

/** Docker may be installed, or started, at any time. */
const LOOK_MS = 3600_000;

export interface FirewallDeps {
  readonly db: Database;
  readonly helper: HostPath;
}

/** Every hour: firewalls come and go while we run. */
export function firewallChore(deps: FirewallDeps): Chore {
  let lookedAt = 0;
  return {
    what: "look for firewalls that drop what networks forward",
    next: () => Promise.resolve(new Date(lookedAt + LOOK_MS)),
    async run(_since, now) {
      lookedAt = now.getTime();
      await noteFirewalls(deps, await deps.db.read((tx) => listNetworks(tx)));
    },
  };
}

/** Raise a warning about each of the networks that a firewall is against, settle those of the others. */
export async function noteFirewalls(
  { db, helper }: FirewallDeps,
  networks: readonly Pick<NetworkRow, "id" | "name" | "type" | "config">[],
): Promise<void> {
  const bridges = networks.filter(({ type }) => type === "bridge");
  if (bridges.length === 0) return;
  const objects = [...await foreignRules(), ...await legacyRules(helper)];
  const found = bridges.map(({ id, name, config }) => {
    const families = (["ip", "ip6"] as const).filter((family) =>
      hasAddress(config[family === "ip" ? "ipv4.address" : "ipv6.address"])
    );
    return { id, name, against: firewallsAgainst(objects, name, families) };
  });
  const { code } = WARNING_TYPES.undefined;
  for (const { id, name, against } of found) {
    const entity = { typeCode: NETWORK_ENTITY, id };
    await db.write((tx) =>
      against.length === 0
        ? resolveWarnings(tx, code, entity)
        : raiseWarning(tx, { code, entity, message: textOf(name, against) })
    );
  }
}

const textOf = (bridge: string, against: readonly ForeignFirewall[]) =>
  against.map((one) => firewallText(bridge, one)).join("\n");

const hasAddress = (address: string | undefined) => !["none", "", undefined].includes(address);

/** Chains of all tables, and the rules of those tables that drop by default. */
async function foreignRules(): Promise<readonly NftObject[]> {
  const chains = await list("chains");
  const dropping = chains.flatMap(({ chain }) =>
    chain?.hook === "forward" && chain.policy === "drop" ? [`${chain.family} ${chain.table}`] : []
  );
  const tables = await Promise.all(
    [...new Set(dropping)].map((table) => list("table", ...table.split(" "))),
  );
  return [...chains, ...tables.flat().filter(({ rule }) => rule !== undefined)];
}

/** Of iptables-legacy, in the kernel beside nftables. */
async function legacyRules(helper: HostPath): Promise<readonly NftObject[]> {
  const objects: NftObject[] = [];
  for (const family of ["ip", "ip6"] as const) {
    objects.push(...legacyObjects(family, await run([helper, "xtables", family])));
  }
  return objects;
}

async function list(...what: readonly string[]): Promise<readonly NftObject[]> {
  const { nftables } = JSON.parse(await run(["nft", "-j", "list", ...what]));
  return nftables;
}
