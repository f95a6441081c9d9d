/** A managed bridge and what the host must have for it, as data. */
import type { AclRow } from "#api/config/network_acl.ts";
import type { Forward } from "#api/config/network_forward.ts";
import type { Subnet } from "#base/ip.ts";
import type { Tunnel } from "./plan_tunnels.ts";

export interface NetworkPlan {
  readonly mtu: string;
  readonly hwaddr: string | undefined;
  /** With their prefix; whatever else of global scope is on the bridge goes. */
  readonly addresses: readonly string[];
  /** Subnets routed to the bridge. */
  readonly routes: readonly string[];
  /** Interfaces of the host that become ports. */
  readonly external: readonly string[];
  readonly tunnels: readonly Tunnel[];
  /** Files below /proc/sys and what to write into them. */
  readonly sysctls: readonly (readonly [path: string, value: string])[];
  /** A complete nft ruleset that replaces the one of this network. */
  readonly nft: string;
  /** Arguments of dnsmasq; undefined: none is wanted. */
  readonly dnsmasq: readonly string[] | undefined;
}

export interface PlanInput {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  /** Directory networks/<name> under the state directory. */
  readonly directory: string;
  /** User that dnsmasq drops to. */
  readonly user: string;
  readonly acls: readonly AclRow[];
  readonly forwards: readonly Forward[];
}

/** A bridge's configuration with its subnets parsed. */
export interface Bridge extends PlanInput {
  readonly v4: Subnet | undefined;
  readonly v6: Subnet | undefined;
}
