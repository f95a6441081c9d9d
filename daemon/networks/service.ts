/** Managed networks: the contract for nic devices and the rest of the daemon. */
import type { NetworkType } from "#api/config/network_keys.ts";

export interface ManagedNetwork {
  readonly name: string;
  readonly project: string;
  readonly type: NetworkType;
  readonly config: Readonly<Record<string, string>>;
}

/** A nic of an instance. */
export interface NicRef {
  readonly project: string;
  readonly instance: string;
  readonly device: string;
}

export interface StaticHost extends NicRef {
  readonly hwaddr: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

/** A nic that hangs on a network. */
export interface NicUse extends NicRef {
  readonly config: Readonly<Record<string, string>>;
  /** "" until one was chosen. */
  readonly hwaddr: string;
}

export interface Networks {
  /** @throws {Fault} not_found */
  require(project: string, name: string): Promise<ManagedNetwork>;
  find(project: string, name: string): Promise<ManagedNetwork | undefined>;
  /** The managed bridge whose interface has that name, in whatever project. */
  findBridge(link: string): Promise<ManagedNetwork | undefined>;
  /** Nics of all instances on a network. */
  nicsOn(network: Pick<ManagedNetwork, "name" | "project">): Promise<readonly NicUse[]>;
  /** Running nics on a VLAN interface that was made for nics. */
  vlanUsers(parent: string, vlan: string): Promise<readonly NicRef[]>;
  /** Addresses for a nic that has none configured: what it had before, or free ones. */
  allocate(
    network: ManagedNetwork,
    owner: NicRef & { readonly hwaddr: string },
    families: readonly (4 | 6)[],
  ): Promise<{ readonly ipv4?: string; readonly ipv6?: string }>;
  /** Tell dnsmasq of an instance's nic (name, hwaddr, static addresses). Idempotent. */
  setHost(network: string, host: StaticHost): Promise<void>;
  /** Forget it again. */
  removeHost(network: string, host: NicRef): Promise<void>;
  /** Bring all networks up at daemon start (adopt what runs). A failing one is a warning, not the end. */
  startAll(): Promise<void>;
  /** `lxd shutdown`: take all down. */
  stopAll(): Promise<void>;
}
