/** Kinds of nic: the contract, and a nic with what its network says of it. */
import type { NicType } from "#api/config/device_nic.ts";
import type { Pid } from "#base/brand.ts";
import type { Undo } from "#base/undo.ts";
import type { Device, DeviceConfig, DeviceStart, ValidateContext } from "#daemon/devices/device.ts";
import type { ManagedNetwork } from "#daemon/networks/service.ts";

/** A nic's options with those that its managed network gives. */
export interface NicWish {
  readonly config: DeviceConfig;
  /** The managed network that it names, or whose bridge is its parent. */
  readonly network: ManagedNetwork | undefined;
  /** Interface of the host that it hangs on; "" for none. */
  readonly parent: string;
}

export interface Nic extends NicWish {
  readonly device: Device;
  readonly type: NicType;
}

export interface NicKind {
  readonly type: NicType;
  /** Rules across its options. @throws {Fault} bad_request */
  check?(name: string, wish: NicWish, context: ValidateContext): Promise<void> | void;
  /** As DeviceType.start. */
  start(nic: Nic, undo: Undo): Promise<DeviceStart>;
  /** As DeviceType.stop: idempotent. */
  stop(nic: Nic): Promise<void>;
  plug?(nic: Nic, pid: Pid, undo: Undo): Promise<void>;
  unplug?(nic: Nic, pid: Pid): Promise<void>;
  /** Options that `update` changes on a running interface. */
  readonly live: readonly string[];
  update?(nic: Nic, before: NicWish): Promise<void>;
}
