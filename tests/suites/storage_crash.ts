/** What every storage driver must do when it dies in front of any of its effects: the next one repairs. */
import assert from "node:assert/strict";
import type { StorageDriver } from "#daemon/storage/driver.ts";
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
const POLL_MS = 20;

/** Effects left until the world ends for the driver under test; undefined: nobody is to die. */
let left: number | undefined;
let onEnd: (effect: string, started?: Deno.ChildProcess) => void = () => {};

watchEffects((effect, started) => {
  if (left === undefined) return "happens";
  if (left > 0) {
    left--;
    return "happens";
  }
  onEnd(effect, started);
  return "ended";
});

/** @returns the effect in front of which it died; undefined: it came to its end before. */
async function dieAt(count: number, change: () => Promise<void>): Promise<string | undefined> {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  left = count;
  onEnd = async (effect, started) => {
    // A program that it started comes to its end without it.
    await started?.status;
    resolve(effect);
  };
  const changed = change().then(() => undefined);
  // What a dead driver says, nobody hears.
  changed.catch(() => undefined);
  try {
    const effect = await Promise.race([ended, changed]);
    // What it still does by itself (children that run, timers) goes nowhere from here.
    if (effect !== undefined) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    return effect;
  } finally {
    left = undefined;
  }
}

export interface CrashOptions {
  /** Tries every n-th effect, others each time, where each is slow; `LXD_TEST_EVERY_EFFECT` tries all. */
  readonly stride?: number;
  readonly only?: RegExp;
  /** Instead: volumes that have a size, get one or lose it. */
  readonly isSized?: true;
}

/** Register the cases for one driver. */
export function crashSuite(driver: string, open: OpenPlace, options: CrashOptions = {}): void {
  const { only = /(?:)/ } = options;
  const stride = Deno.env.has("LXD_TEST_EVERY_EFFECT") ? 1 : options.stride ?? 1;
  for (const [kind, make, which = /(?:)/] of KINDS) {
    const changes = options.isSized === true ? SIZED_CHANGES : CHANGES;
    for (const change of changes.filter(({ name }) => which.test(name) && only.test(name))) {
      Deno.test(`${driver}: ${kind} that is ${change.name} survives a death at any step`, async () => {
        await using place = await open();
        const before = await remains(place);
        const first = Math.floor(Math.random() * stride);
        let driver: StorageDriver | undefined = place.driver;
        for (let count = first; count < EFFECTS_MAX; count += stride) {
          driver = await tryAt(place, { driver, before, change, make, count });
          if (driver === undefined) return;
        }
        assert.fail("it never ended");
      });
    }
  }
}

interface Try {
  /** The one that dies. */
  readonly driver: StorageDriver;
  readonly before: readonly string[];
  readonly change: Change;
  readonly make: Make;
  readonly count: number;
}

/** @returns the one that repaired; undefined: the change has fewer effects. */
async function tryAt(
  place: Place,
  { driver: first, before, change, make, count }: Try,
): Promise<StorageDriver | undefined> {
  await change.prepare(first, make);
  const effect = await dieAt(count, () => change.run(first, make));
  const driver = effect === undefined ? first : await place.reopen();
  try {
    await change.verify(driver, make);
    for (const name of ["a", "b"]) await driver.remove(make(name));
    await driver.dropImage("cafe");
    await assertRemains(place, before);
  } catch (error) {
    throw new Error(`dead at effect ${count}: ${effect}`, { cause: error });
  }
  return effect === undefined ? undefined : driver;
}
