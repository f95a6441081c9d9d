/**
 * Every configuration key with good and bad values, on our daemon and on Debian's LXD 5.0.2: both take the
 * same, and ours never answers with an error of its own (500). With LXD_SWEEP=all every value is tried on
 * every key (20 minutes); else a part that differs from key to key.
 */
import assert from "node:assert/strict";
import { DEBIAN } from "#tests/world/daemon.ts";
import { DIFFERENCES } from "./differences.ts";
import { type Sweep, SWEEPS } from "./sweeps.ts";
import { Twins } from "./twins.ts";
import { VALUES } from "./values.ts";
import { isInstalled } from "../installed.ts";

const hasLxd = await isInstalled(DEBIAN.lxd, "lxd");
const PARTS = Deno.env.get("LXD_SWEEP") === "all" ? 1 : 8;
const PARTS_SLOW = PARTS * 4;

let twins: Twins;

Deno.test.beforeAll(async () => {
  if (!hasLxd) return;
  twins = await Twins.start();
  await twins.do("POST", "/1.0/storage-pools/pool/volumes/custom", { name: "vol" });
});
Deno.test.afterAll(async () => {
  if (hasLxd) await twins[Symbol.asyncDispose]();
});

/** Every `parts`th value, from one that the key decides on. */
function valuesFor(key: string, parts: number): string[] {
  const first = [...key].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return VALUES.filter((_, index) => (index + first) % parts === 0);
}

async function differences(sweep: Sweep): Promise<string[]> {
  const found: string[] = [];
  const parts = sweep.isSlow === true ? PARTS_SLOW : PARTS;
  for (const key of sweep.keys) {
    for (const value of valuesFor(key, parts)) {
      const { ours, LXD } = await twins.ask(sweep.set(key, value));
      const [we, they] = [ours.status < 400, LXD.status < 400];
      if (sweep.undo !== undefined && (we || they)) await twins.ask(sweep.undo(key));
      const who = we ? "LXD refuses" : "we refuse";
      const isMeant = DIFFERENCES.some((one) =>
        one.sweep.test(sweep.name) && one.key.test(key) && one.who === who
      );
      const what = `${key}=${JSON.stringify(value)}: ${ours.status} ${ours.error}`;
      if (ours.status >= 500) found.push(`${what}: our own error`);
      else if (we !== they && !isMeant) found.push(`${what}: ${who} (${LXD.error})`);
    }
  }
  return found;
}

for (const sweep of SWEEPS) {
  Deno.test({
    name: `keys of ${sweep.name}: both take the same values`,
    ignore: !hasLxd,
    fn: async () => assert.deepEqual(await differences(sweep), []),
  });
}
