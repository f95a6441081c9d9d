/**
 * Device types: the contract. One file per type; devices never import instances: what they need of
 * an instance arrives as a `DeviceHost`. Start returns data that the instance applies.
 */
import type { Undo } from "#base/undo.ts";
import type { HostPath, Pid } from "#base/brand.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import type { Networks } from "#daemon/networks/service.ts";
import type { PathWatches } from "#daemon/host/path_watch.ts";
import type { Uevents } from "#daemon/host/uevents.ts";
import type { Storage } from "#daemon/storage/service.ts";

export type DeviceConfig = Readonly<Record<string, string>>;
export type Devices = Readonly<Record<string, DeviceConfig>>;

/** The narrow view of an instance that a device gets. */
export interface DeviceHost {
  /** Number of the instance: it stays when its name changes. */
  readonly id: number;
  readonly project: string;
  readonly instance: string;
  /** Expanded configuration. */
  readonly config: Readonly<Record<string, string>>;
  /** All expanded devices. */
  readonly devices: Devices;
  /** null: privileged. */
  readonly idmap: IdMap | null;
  /** init's pid while running, as it was when this view was made. */
  readonly pid: Pid | undefined;
  /** volatile.<device>.<key> */
  volatile(device: string, key: string): string | undefined;
  setVolatile(values: Readonly<Record<string, string | undefined>>): Promise<void>;
  /** devices/<instance>/ under the state directory, made on demand. */
  devicesPath(): HostPath;
  /** Folders of the host that disks may come from; none: any (restricted.devices.disk.paths). */
  diskFolders(): Promise<readonly string[]>;
  /** Directory of the instance's logs. */
  logsPath(): HostPath;
  /** Let the running container use a node, or no longer: "c 10:200 rwm". */
  allowNode(rule: string, isAllowed: boolean): Promise<void>;
  /** For what the host tells later: under the instance's lock, and only if it runs then. */
  whileRunning(run: (pid: Pid) => Promise<void>): Promise<void>;
}

/** What tells devices of changes of the host. */
export interface HostWatches {
  readonly paths: PathWatches;
  readonly uevents: Uevents;
  readonly onError: (what: string, error: unknown) => void;
}

export interface DeviceServices {
  readonly networks: Networks;
  readonly storage: Storage;
  /** Path of the C helper, for what must happen inside a running container. */
  readonly helper: HostPath;
  readonly watches: HostWatches;
}

/** What a device adds to the start of a container. */
export interface DeviceStart {
  /** Lines of lxc.conf, in order, e.g. ["lxc.mount.entry", "..."]. `{n}` in a nic key is its index. */
  readonly lxc?: readonly (readonly [key: string, value: string])[];
  /** Lines for the device cgroup: "c 10:200 rwm". */
  readonly cgroupAllow?: readonly string[];
  /** To run when init lives (nic limits, routes ...). */
  readonly afterStart?: (pid: Pid) => Promise<void>;
}

export interface Device {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly host: DeviceHost;
  readonly services: DeviceServices;
}

export interface DeviceType {
  /** "disk", "nic" ...; nic rows are told apart by nictype inside. */
  readonly type: string;
  /**
   * Check one configured device of an instance or profile before anything changes.
   *
   * @throws {Fault} bad_request naming the device, the key, the value and what is allowed.
   */
  validate(name: string, config: DeviceConfig, context: ValidateContext): Promise<void>;
  /** A device was added to the configuration (also at create): allocate volatile values, leases. */
  added?(device: Device): Promise<void>;
  /** Its options changed while the instance was stopped; without it, `added` is called. */
  changed?(device: Device, before: DeviceConfig): Promise<void>;
  /** A device left the configuration (also at delete). Idempotent. */
  removed?(device: Device): Promise<void>;
  /** Before the container starts. Registers the undo of each step it does. */
  start(device: Device, undo: Undo): Promise<DeviceStart>;
  /** After the container stopped, in reverse order; idempotent, also for a device that never started. */
  stop(device: Device): Promise<void>;
  /**
   * Into a running container; registers the undo of each step before it. undefined: takes effect at
   * the next start.
   */
  plug?(device: Device, pid: Pid, undo: Undo): Promise<void>;
  /** Idempotent, also for a device that is half there. */
  unplug?(device: Device, pid: Pid): Promise<void>;
  /** A new daemon found the container running: watch again what `start` watched. */
  adopt?(device: Device, pid: Pid): Promise<void>;
  /** Change options of a running device in place. Returns false if it must be unplugged and plugged. */
  update?(device: Device, before: DeviceConfig, pid: Pid): Promise<boolean>;
  /** Its options stayed; is it to be plugged again, as other devices of the instance changed? Pure. */
  leansOn?(config: DeviceConfig, before: Devices, after: Devices): boolean;
}

export interface ValidateContext {
  readonly project: string;
  /** undefined for a profile. */
  readonly instance: string | undefined;
  readonly services: DeviceServices;
  /**
   * Names of devices that the user sets now: no other instance may have their addresses, and their
   * volumes must be there. Copies and restored instances may lack that; they can't start then.
   */
  readonly mustBeUnique?: ReadonlySet<string>;
  /** All expanded devices, for rules across devices (paths, addresses). */
  readonly devices: Devices;
}
