/** Instances: the contract for routes, profiles, networks and storage. */
import type { Pid } from "#base/brand.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import type { Caller } from "#daemon/http/caller.ts";

export interface InstanceRef {
  readonly id: number;
  readonly project: string;
  readonly name: string;
}

export interface InstanceUse extends InstanceRef {
  readonly config: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly profiles: readonly string[];
  readonly expandedDevices: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Instances {
  /** Everything that others need for "used by" lists. */
  listUses(): Promise<readonly InstanceUse[]>;
  /** A profile changed: validate for every user first, then apply live. Errors name each instance. */
  checkProfileChange(project: string, profile: string, next: ProfileConfig): Promise<void>;
  applyProfileChange(
    project: string,
    profile: string,
    before: ProfileConfig,
    caller: Caller,
  ): Promise<void>;
  /** For publishing: the volume of an instance or snapshot. @throws {Fault} not_found */
  sourceOf(project: string, name: string, snapshot: string | undefined): Promise<{
    readonly volume: InstanceVolume;
    readonly architecture: string;
    readonly isRunning: boolean;
  }>;
  /** Pid of init, undefined if not running. */
  pidOf(ref: InstanceRef): Promise<Pid | undefined>;
  /** Daemon start: adopt running ones, repair half-made ones, then autostart. */
  recover(): Promise<void>;
  /** Stop all cleanly (boot.stop.priority, boot.host_shutdown_timeout), remembering their power state. */
  stopAll(): Promise<void>;
}

export interface ProfileConfig {
  readonly config: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
