/** Keys of custom volumes that say whose ids their files have. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import type { Config } from "#daemon/db/config.ts";

/** The ids that the files have on disk. */
export const LAST = "volatile.idmap.last";
/** Differs from the other one while the files are being shifted. */
export const NEXT = "volatile.idmap.next";

const KEYS = ["security.shifted", "security.unmapped"] as const;

/** By LXD's rule a volume is one or the other. Pure. @throws {Fault} bad_request */
export function checkShifting(config: Config): void {
  if (!KEYS.every((key) => isTrue(config[key]))) return;
  throw new Fault(
    "bad_request",
    "security.unmapped and security.shifted are mutually exclusive",
    { hint: "Shifted: each instance sees its own ids. Unmapped: all see those on disk." },
  );
}

/** Do instances get other ids by a change? Pure. */
export const changesShifting = (before: Config, after: Config) =>
  KEYS.some((key) => isTrue(before[key]) !== isTrue(after[key]));

/** A volume that is unmapped forgets whose ids its files have: they are never shifted again. Pure. */
export function withoutMap(config: Config): Config {
  if (!isTrue(config["security.unmapped"])) return config;
  return Object.fromEntries(Object.entries(config).filter(([key]) => key !== LAST && key !== NEXT));
}
