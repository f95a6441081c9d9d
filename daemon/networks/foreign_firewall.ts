/**
 * Firewalls of others that drop what bridges forward. Docker gives the chain FORWARD the policy
 * "drop" and accepts its own networks alone: that our table accepts does not help, since a packet must
 * pass the chains of all tables. Pure.
 */

/** What is read of `nft -j list ruleset`. @see libnftables-json(5) */
export interface NftObject {
  readonly chain?: {
    readonly family: string;
    readonly table: string;
    readonly name: string;
    readonly hook?: string;
    readonly policy?: string;
  };
  readonly rule?: {
    readonly family: string;
    readonly table: string;
    readonly expr: readonly Expr[];
  };
}

interface Expr {
  readonly match?: { readonly left?: unknown; readonly right?: unknown };
  readonly accept?: unknown;
  readonly jump?: unknown;
  readonly goto?: unknown;
}

export interface ForeignFirewall {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** The chain of this table that Docker leaves to the administrator. */
  readonly hasDockerUser: boolean;
}

/** The table of iptables-legacy, by a name that no table of nft has. */
export const LEGACY_TABLE = "filter (iptables-legacy)";

const DOCKER_USER = "DOCKER-USER";

/** Chains that drop what nothing in their table accepts, for the bridge's families. */
export function firewallsAgainst(
  objects: readonly NftObject[],
  bridge: string,
  families: readonly ("ip" | "ip6")[],
): ForeignFirewall[] {
  const chains = objects.flatMap(({ chain }) => chain === undefined ? [] : [chain]);
  const rules = objects.flatMap(({ rule }) => rule === undefined ? [] : [rule]);
  const isOfBridge = (family: string) =>
    family === "inet" || families.some((one) => one === family);
  return chains.filter(({ hook, policy }) => hook === "forward" && policy === "drop")
    .filter(({ family, table }) => isOfBridge(family) && table !== "lxd")
    .filter(({ family, table }) =>
      !rules.some((rule) =>
        rule.family === family && rule.table === table && mayAccept(rule.expr, bridge)
      )
    )
    .map(({ family, table, name }) => ({
      ...{ family, table, chain: name },
      hasDockerUser: chains.some((one) =>
        one.family === family && one.table === table && one.name === DOCKER_USER
      ),
    }));
}

/** Does the rule let the bridge's packets pass, or lead them to rules of their own? */
function mayAccept(expr: readonly Expr[], bridge: string): boolean {
  const verdict = expr.at(-1) ?? {};
  const matches = expr.flatMap(({ match }) => match === undefined ? [] : [match]);
  if (matches.length === 0) return "accept" in verdict;
  return ("accept" in verdict || "jump" in verdict || "goto" in verdict) &&
    matches.some(({ left, right }) => isInterface(left) && names(right, bridge));
}

function isInterface(left: unknown): boolean {
  const { meta } = (left ?? {}) as { readonly meta?: { readonly key?: string } };
  return meta?.key === "iifname" || meta?.key === "oifname";
}

/** "br0", "br*", or a set of such. */
function names(right: unknown, bridge: string): boolean {
  if (typeof right === "string") {
    return right.endsWith("*") ? bridge.startsWith(right.slice(0, -1)) : right === bridge;
  }
  const { set } = (right ?? {}) as { readonly set?: unknown };
  return Array.isArray(set) && set.some((one) => names(one, bridge));
}

/** What is wrong, and the commands that help. */
export function firewallText(bridge: string, found: ForeignFirewall): string {
  const { family, table, chain, hasDockerUser } = found;
  const allow = table === LEGACY_TABLE ? allowByIptables : allowByNft;
  return `the firewall's chain ${chain} (table ${family} ${table}) drops what "${bridge}" forwards` +
    `${
      hasDockerUser ? ", as Docker sets it up" : ""
    }: instances reach no other network. Allow it: ` +
    allow(bridge, { ...found, chain: hasDockerUser ? DOCKER_USER : chain }).join("; ");
}

const allowByNft = (bridge: string, { family, table, chain }: ForeignFirewall) => [
  `nft insert rule ${family} ${table} ${chain} iifname ${bridge} accept`,
  `nft insert rule ${family} ${table} ${chain} oifname ${bridge} ct state established,related accept`,
];

function allowByIptables(bridge: string, { family, chain }: ForeignFirewall): string[] {
  const insert = `${family}tables-legacy -I ${chain}`;
  return [
    `${insert} -i ${bridge} -j ACCEPT`,
    `${insert} -o ${bridge} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
  ];
}
