/** Every instance has one root disk. Pure. */
import { Fault } from "#base/errors.ts";
import { findRootDisk, rootDisks } from "./expand.ts";
import type { Devices } from "./record.ts";

/** @throws {Fault} bad_request unless there is exactly one */
export function requireOneRootDisk(devices: Devices): void {
  requireRootDisk(devices);
  const names = rootDisks(devices).map(({ name }) => name);
  if (names.length === 1) return;
  throw new Fault(
    "bad_request",
    "Invalid devices: Failed detecting root disk device: More than one root device found",
    { hint: `Keep one of ${names.join(", ")}.` },
  );
}

/** @throws {Fault} bad_request */
export function requireRootDisk(devices: Devices): void {
  if (findRootDisk(devices) !== undefined) return;
  throw new Fault(
    "bad_request",
    "Invalid devices: Failed detecting root disk device: No root device could be found",
    { hint: "Make a storage pool and add a root disk to the default profile: lxd init." },
  );
}
