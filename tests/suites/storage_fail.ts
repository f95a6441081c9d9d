/**
 * What every storage driver must do when one of its effects fails: say so, and leave each volume whole or
 * free to be made, with no start in between. What could not be thrown away goes at the next start.
 */
import assert from "node:assert/strict";
import { watchEffects } from "#tests/world/effects.ts";
import type { OpenPlace, Place } from "./storage.ts";
import {
  assertRemains,
  type Change,
  CHANGES,
  KINDS,
  type Make,
  remains,
  SIZED_CHANGES,
} from "./storage_changes.ts";

/** More effects than any change has. */
const EFFECTS_MAX = 300;

/** Effects left until one fails; undefined: none is to. */
let left: number | undefined;
let failed: string | undefined;

watchEffects((effect) => {
  // A program that runs fails at its start or not at all.
  if (left === undefined || effect.startsWith("while it runs:")) return "happens";
  if (left-- > 0) return "happens";
  [left, failed] = [undefined, effect];
  return "fails";
});

/** @returns the effect that failed; undefined: the change has fewer. */
async function failAt(count: number, change: () => Promise<void>): Promise<string | undefined> {
  [left, failed] = [count, undefined];
  try {
    await change();
  } catch (error) {
    if (failed === undefined) throw error;
  } finally {
    left = undefined;
  }
  return failed;
}

export interface FailOptions {
  /** Tries every n-th effect, others each time. */
  readonly stride?: number;
  readonly only?: RegExp;
  /** Instead: volumes that have a size, get one or lose it. */
  readonly isSized?: true;
}

/** Register the cases for one driver. @param open Its `onError` takes what fails in the background. */
export function failSuite(driver: string, open: OpenPlace, options: FailOptions = {}): void {
  const { only = /(?:)/, stride = 1 } = options;
  for (const [kind, make, which = /(?:)/] of KINDS) {
    const changes = options.isSized === true ? SIZED_CHANGES : CHANGES;
    for (const change of changes.filter(({ name }) => which.test(name) && only.test(name))) {
      Deno.test(`${driver}: ${kind} that is ${change.name} survives a failure of any step`, async () => {
        await using place = await open();
        const before = await remains(place);
        for (let count = Math.floor(Math.random() * stride);; count += stride) {
          assert.ok(count < EFFECTS_MAX, "it never ended");
          if (await tryAt(place, { before, change, make, count }) === undefined) return;
        }
      });
    }
  }
}

interface Try {
  readonly before: readonly string[];
  readonly change: Change;
  readonly make: Make;
  readonly count: number;
}

/** @returns what failed */
async function tryAt(
  place: Place,
  { before, change, make, count }: Try,
): Promise<string | undefined> {
  const { driver } = place;
  await change.prepare(driver, make);
  const effect = await failAt(count, () => change.run(driver, make));
  try {
    await change.verify(driver, make);
    for (const name of ["a", "b"]) await driver.remove(make(name));
    await driver.dropImage("cafe");
    // Except of a removal that failed, which the next start does again, and of what nobody sees.
    const isSeen = (path: string) => !/\/pool\/(trash|layers)\/./.test(path);
    if (!/remove|delete|destroy|umount|detach/.test(effect ?? "")) {
      await assertRemains(place, before, isSeen);
    }
    await driver.open();
    await assertRemains(place, before);
  } catch (error) {
    throw new Error(`effect ${count} failed: ${effect}`, { cause: error });
  }
  return effect;
}
