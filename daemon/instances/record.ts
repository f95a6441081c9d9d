/** An instance as the daemon works with it: its rows, joined, and its expanded configuration. */
import { ARCHITECTURES } from "#base/architectures.ts";

export type Config = Readonly<Record<string, string>>;
export type Devices = Readonly<Record<string, Config>>;

/** What one profile contributes. */
export interface ProfileLayer {
  readonly id: number;
  readonly name: string;
  readonly config: Config;
  readonly devices: Devices;
}

export interface InstanceRecord {
  readonly id: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  /** LXD's number: 1 i686, 2 x86_64, 4 aarch64 ... */
  readonly architecture: number;
  readonly isEphemeral: boolean;
  /** Its running state was saved at its stop: it starts from there. */
  readonly isStateful: boolean;
  readonly createdAt: string;
  /** "" if it never ran. */
  readonly lastUsedAt: string;
  /** It is being made, or its making was interrupted. */
  readonly isHalfMade: boolean;
  readonly config: Config;
  readonly devices: Devices;
  /** In the order in which they apply. */
  readonly profiles: readonly ProfileLayer[];
  /** Profiles in order, then local values. */
  readonly expandedConfig: Config;
  readonly expandedDevices: Devices;
}

export interface SnapshotRecord {
  readonly id: number;
  readonly instanceId: number;
  readonly name: string;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly isStateful: boolean;
  readonly isEphemeral: boolean;
  readonly architecture: number;
  readonly profiles: readonly string[];
  readonly config: Config;
  readonly devices: Devices;
  readonly expandedConfig: Config;
  readonly expandedDevices: Devices;
}

export { findArchitecture, hostArchitecture } from "#base/architectures.ts";

/** @param id LXD's number, as images and instances have it. */
export function architectureName(id: number): string {
  return ARCHITECTURES[id] ?? "unknown";
}
