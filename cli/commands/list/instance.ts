/** An instance as `list` and `info` get it: of its state only what they print. */

export interface Address {
  readonly family: string;
  readonly address: string;
  readonly netmask: string;
  readonly scope: string;
}

export interface NetworkState {
  readonly addresses: readonly Address[] | null;
  readonly counters: {
    readonly bytes_received?: number;
    readonly bytes_sent?: number;
    readonly packets_received?: number;
    readonly packets_sent?: number;
  };
  readonly hwaddr: string;
  readonly host_name: string;
  readonly mtu: number;
  readonly state: string;
  readonly type: string;
}

export interface InstanceState {
  readonly disk: Readonly<Record<string, { readonly usage: number }>> | null;
  readonly memory: {
    readonly usage: number;
    readonly usage_peak: number;
    readonly swap_usage: number;
    readonly swap_usage_peak: number;
  };
  readonly network: Readonly<Record<string, NetworkState>> | null;
  readonly pid: number;
  readonly processes: number;
  /** Nanoseconds. */
  readonly cpu: { readonly usage: number };
}

export interface Snapshot {
  readonly name: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly stateful: boolean;
}

export interface Backup {
  readonly name: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly instance_only: boolean;
  readonly optimized_storage: boolean;
}

type Config = Readonly<Record<string, string>>;

export interface Instance {
  readonly name: string;
  readonly project: string;
  readonly location: string;
  readonly type: string;
  readonly status: string;
  readonly architecture: string;
  readonly description: string;
  readonly ephemeral: boolean;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly profiles: readonly string[] | null;
  readonly config: Config | null;
  readonly expanded_config: Config | null;
  readonly expanded_devices: Readonly<Record<string, Config>> | null;
  /** Of recursion=2 only, and of instances that can be asked. */
  readonly state?: InstanceState | null;
  readonly snapshots?: readonly Snapshot[] | null;
  readonly backups?: readonly Backup[] | null;
}

/** Has it processes? */
export function isActive({ status }: Pick<Instance, "status">): boolean {
  return status !== "Stopped" && status !== "Error";
}
