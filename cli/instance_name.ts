/** How instances and their snapshots are named on the command line. Pure. */
import { splitSnapshot } from "#base/snapshot_name.ts";
import { path } from "./context.ts";

export interface InstanceLabel {
  readonly instance: string;
  readonly snapshot: string | undefined;
  readonly url: string;
}

/** "web" or "web/snap0"; what is behind a second slash belongs to the name of the snapshot. */
export function parseInstance(text: string): InstanceLabel {
  const { name: instance, snapshot } = splitSnapshot(text);
  const url = snapshot === undefined
    ? path("instances", instance)
    : path("instances", instance, "snapshots", snapshot);
  return { instance, snapshot, url };
}
