/** LXD's own suites against the built program, where they want what only the VM's kernel has. */
import { type Backend, runSuite } from "#tests/compat/sandbox.ts";
import { fetchSuites } from "#tests/compat/source.ts";
import { SUITES } from "#tests/compat/suites.ts";
import { SLOWNESS } from "#tests/world/slowness.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");

const LOG_TAIL = 12_000;

/** The VM has no network: its host fetches them. @returns the folder of the suites */
export async function suitesForVm(): Promise<string> {
  return await fetchSuites(`${root}/.cache/compat`);
}

/** Register one test for each suite. */
export function compatSuites(backend: Backend, names: readonly string[]): void {
  const isEverywhere = backend === "dir" || backend === "btrfs";
  if (!isEverywhere && !isMet(backend)) return;
  for (const suite of SUITES.filter(({ name }) => names.includes(name))) {
    Deno.test(`${backend}: LXD's own suite ${suite.name} passes`, async () => {
      const dist = (name: string) => `${root}/dist/${name}`;
      const { result, why, log } = await runSuite({
        suite,
        backend,
        programs: { lxd: dist("lxd"), lxc: dist("lxc"), fuidshift: dist("fuidshift") },
        source: await suitesForVm(),
        slowness: SLOWNESS,
        logs: await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-suite-log." }),
      });
      const tail = async () => (await Deno.readTextFile(log)).slice(-LOG_TAIL);
      assert.equal(result, "pass", result === "pass" ? "" : `${why}\n${await tail()}`);
    });
  }
}
