/** Managed networks: the contract for nic devices and the rest of the daemon. */

export interface ManagedNetwork {
  readonly name: string;
  readonly project: string;
  readonly type: string;
  readonly config: Readonly<Record<string, string>>;
}

export interface StaticHost {
  readonly project: string;
  readonly instance: string;
  readonly device: string;
  readonly hwaddr: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

export interface Networks {
  /** @throws {Fault} not_found */
  require(project: string, name: string): Promise<ManagedNetwork>;
  find(project: string, name: string): Promise<ManagedNetwork | undefined>;
  /** Tell dnsmasq of an instance's nic (name, hwaddr, static addresses). Idempotent. */
  setHost(network: string, host: StaticHost): Promise<void>;
  /** Forget it again, its leases too when `dropLeases`. */
  removeHost(
    network: string,
    host: { project: string; instance: string; device: string; hwaddr?: string },
  ): Promise<void>;
  /** Bring all networks up at daemon start (adopt what runs). A failing one is a warning, not the end. */
  startAll(): Promise<void>;
  /** `lxd shutdown`: take all down. */
  stopAll(): Promise<void>;
}
