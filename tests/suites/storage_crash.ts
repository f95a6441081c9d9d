/** What every storage driver must do when it dies in front of any of its effects: the next one repairs. */
import assert from "node:assert/strict";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import { effectsEnded, watchEffects } from "#tests/world/effects.ts";
import { AsyncLocalStorage } from "node:async_hooks";
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

/** Of a driver under test, with all that it does by itself: the dead one does nothing beside the next. */
interface Life {
  /** Effects until it ends; undefined: it is not to die. */
  left: number | undefined;
  onEnd(effect: string, started?: Deno.ChildProcess): void;
}

const lives = new AsyncLocalStorage<Life>();
const newLife = (): Life => ({ left: undefined, onEnd: () => {} });

watchEffects((effect, started) => {
  const life = lives.getStore();
  if (life?.left === undefined) return "happens";
  if (life.left > 0) {
    life.left--;
    return "happens";
  }
  life.onEnd(effect, started);
  return "ended";
});

/** @returns the effect in front of which it died; undefined: it came to its end before. */
async function dieAt(
  life: Life,
  count: number,
  change: () => Promise<void>,
): Promise<string | undefined> {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  life.left = count;
  life.onEnd = async (effect, started) => {
    // A program that it started comes to its end without it.
    await started?.status;
    resolve(effect);
  };
  const changed = lives.run(life, change).then(() => undefined);
  // What a dead driver says, nobody hears.
  changed.catch(() => undefined);
  const effect = await Promise.race([ended, changed]);
  if (effect === undefined) life.left = undefined;
  else await effectsEnded();
  return effect;
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
        let tested: Tested | undefined = { driver: place.driver, life: newLife() };
        for (let count = first; count < EFFECTS_MAX; count += stride) {
          tested = await tryAt(place, tested, { before, change, make, count });
          if (tested !== undefined) continue;
          return assert.ok(count > 0 || change.mayDoNothing, "no effect of it was seen");
        }
        assert.fail("it never ended");
      });
    }
  }
}

interface Tested {
  readonly driver: StorageDriver;
  readonly life: Life;
}

interface Try {
  readonly before: readonly string[];
  readonly change: Change;
  readonly make: Make;
  readonly count: number;
}

/** @returns the one that repaired; undefined: the change has fewer effects. */
async function tryAt(
  place: Place,
  first: Tested,
  { before, change, make, count }: Try,
): Promise<Tested | undefined> {
  await lives.run(first.life, () => change.prepare(first.driver, make));
  const effect = await dieAt(first.life, count, () => change.run(first.driver, make));
  const life = effect === undefined ? first.life : newLife();
  return await lives.run(life, async () => {
    const driver = effect === undefined ? first.driver : await place.reopen();
    try {
      await change.verify(driver, make);
      for (const name of ["a", "b"]) await driver.remove(make(name));
      await driver.dropImage("cafe");
      await assertRemains(place, before);
    } catch (error) {
      throw new Error(`dead at effect ${count}: ${effect}`, { cause: error });
    }
    return effect === undefined ? undefined : { driver, life };
  });
}
