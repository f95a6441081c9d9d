/** tools/compat: run LXD's own suites against our programs, or against Debian's LXD. */
import { SLOWNESS } from "#tests/world/slowness.ts";
import { parseArgs } from "node:util";
import { type Backend, BACKENDS, type Programs, runSuite, type SuiteResult } from "./sandbox.ts";
import { longestFirst, parseBudget, takeNext } from "./schedule.ts";
import { ALLOWED_SKIPS } from "./skips.ts";
import { fetchSuites } from "./source.ts";
import { type Suite, SUITES } from "./suites.ts";

const USAGE = `usage: tools/compat SUITE... | --required | --everything | --list
  --reference   Debian's lxd and lxc instead of ours (installs the package lxd)
  --go-client   Debian's lxc, with our lxd
  --lxd FILE    any other lxd;  --lxc FILE  any other lxc
  --backend B   storage driver that they use: dir (default), btrfs, lvm or zfs
  --budget T    start nothing that would not end within T (25m, 1h); says what is left out
  --workers N   suites at a time (2)
`;

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const cache = `${root}/.cache/compat`;

const OPTIONS = {
  reference: { type: "boolean", default: false },
  "go-client": { type: "boolean", default: false },
  required: { type: "boolean", default: false },
  everything: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  lxd: { type: "string" },
  lxc: { type: "string" },
  backend: { type: "string", default: "dir" },
  budget: { type: "string", default: "24h" },
  workers: { type: "string", default: "2" },
} as const;

function parseCall() {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: OPTIONS,
  });
  return { ...values, names: positionals };
}
type Call = ReturnType<typeof parseCall>;

function chosenSuites(call: Call): readonly Suite[] {
  if (call.everything) return SUITES;
  if (call.required) return SUITES.filter(({ required }) => required === true);
  return call.names.map((name) => {
    const suite = SUITES.find((one) => one.name === name);
    if (suite === undefined) throw new Error(`there is no suite "${name}": tools/compat --list`);
    return suite;
  });
}

function chosenPrograms(call: Call): Programs {
  const debian = programsOf("/usr/bin");
  const base = call.reference ? debian : programsOf(`${root}/dist`);
  const lxc = call["go-client"] ? debian.lxc : base.lxc;
  return { ...base, lxd: call.lxd ?? base.lxd, lxc: call.lxc ?? lxc };
}

function programsOf(folder: string): Programs {
  return { lxd: `${folder}/lxd`, lxc: `${folder}/lxc`, fuidshift: `${folder}/fuidshift` };
}

function chosenBackend(call: Call): Backend {
  const backend = BACKENDS.find((name) => name === call.backend);
  if (backend === undefined) throw new Error(`--backend is one of ${BACKENDS.join(", ")}`);
  return backend;
}

type Outcome = "passed" | "failed" | "skipped";

function outcomeOf({ result, suite }: SuiteResult): Outcome {
  if (result === "skip") return suite.name in ALLOWED_SKIPS ? "skipped" : "failed";
  return result === "pass" ? "passed" : "failed";
}

function print(result: SuiteResult): void {
  const { suite, seconds, why, log } = result;
  const excuse = result.result === "skip" ? ALLOWED_SKIPS[suite.name] : undefined;
  const words = `${suite.name.padEnd(46)}${result.result.padEnd(9)}${seconds} s`;
  console.log(excuse === undefined ? words : `${words}  ${excuse}`);
  if (outcomeOf(result) === "failed") {
    const needs = suite.needs === undefined ? "" : `\n    needs: ${suite.needs}`;
    console.log(`${why.replaceAll(/^/gm, "    ")}\n    log: ${log}${needs}\n`);
  }
}

async function main(): Promise<number> {
  const call = parseCall();
  if (call.help) {
    console.log(USAGE);
    return 0;
  }
  if (call.list) {
    console.log(SUITES.map(({ name }) => name).join("\n"));
    return 0;
  }
  const waiting = longestFirst(chosenSuites(call));
  if (waiting.length === 0) {
    console.error(USAGE);
    return 2;
  }
  const programs = chosenPrograms(call);
  const source = await fetchSuites(cache);
  const backend = chosenBackend(call);
  const kind = call.reference ? "reference" : "ours";
  const logs = `${cache}/logs/${kind}${backend === "dir" ? "" : `-${backend}`}`;
  await Deno.mkdir(logs, { recursive: true });
  const end = performance.now() + parseBudget(call.budget) * 1000;
  const count: Record<Outcome, number> = { passed: 0, failed: 0, skipped: 0 };
  const work = async () => {
    for (;;) {
      const suite = takeNext(waiting, (end - performance.now()) / 1000);
      if (suite === undefined) return;
      const result = await runSuite({ suite, backend, programs, source, logs, slowness: SLOWNESS });
      print(result);
      count[outcomeOf(result)]++;
    }
  };
  await Promise.all(Array.from({ length: Number(call.workers) }, work));
  if (waiting.length > 0) {
    console.log(`left out, no time: ${waiting.map(({ name }) => name).join(" ")}`);
  }
  console.log(`${count.passed} passed, ${count.failed} failed`);
  return count.failed > 0 ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`tools/compat: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
