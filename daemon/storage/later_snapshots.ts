/** Restores that lose later snapshots, where the driver can't keep them. Pure. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";

/** @throws {Fault} bad_request unless the volume's configuration gives up what is later */
export function requireLosable(
  snapshot: string,
  later: readonly string[],
  config: Readonly<Record<string, string>>,
): void {
  if (later.length === 0 || isTrue(config["zfs.remove_snapshots"])) return;
  throw new Fault(
    "bad_request",
    `Snapshot "${snapshot}" cannot be restored due to subsequent snapshot(s). ` +
      "Set zfs.remove_snapshots to override",
    { hint: `Later ones are ${later.slice(0, 5).join(", ")}.` },
  );
}
