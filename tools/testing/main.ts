/** tools/test: run the checks and the tests, print what failed, and sum up in the last line. */
import { type Failure, secondTries } from "./again.ts";
import { type Count, countResults, failureText } from "./count.ts";
import { runVmTests } from "#tests/vm/main.ts";
import { filteredRun, type Step, wholeRun } from "./steps.ts";

const USAGE = `usage: tools/test [--all] [WORD...] | vm [WORD...]
Without words: build, format, lint, types, unit and kernel tests (root, about 5 min).
  --all   also thorough kernel tests, real clients, LXD's own suites (tools/compat) and the test VMs
  WORD    only test files whose path contains it
  vm      tests/vm in throw-away VMs (User-Mode-Linux): LVM, project quotas, AppArmor, cgroup v2;
          vm zfs stateful usb: in QEMU, whose first run builds the modules
What a step printed is kept in .cache/test.
`;
const LOGS = ".cache/test";

interface Outcome extends Count {
  readonly output: string;
  readonly seconds: number;
}

/** Run in a process group of its own, so that the time limit ends the children too. */
async function runStep(step: Step): Promise<Outcome> {
  const started = performance.now();
  const child = new Deno.Command("timeout", {
    args: ["--kill-after=20", `${step.limitSeconds}`, ...step.argv],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [stdout, stderr, { success, code }] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  const late = code === 124 || code === 137 ? `\nit took more than ${step.limitSeconds} s` : "";
  const output = `${stdout}${stderr}${late}`;
  const seconds = (performance.now() - started) / 1000;
  await Deno.mkdir(LOGS, { recursive: true });
  await Deno.writeTextFile(`${LOGS}/${step.name.replaceAll(" ", "-")}.log`, output);
  return { ...countResults(step.count, output, success), output, seconds };
}

function print(step: Step, outcome: Outcome): void {
  const { passed, failed, ignored, seconds } = outcome;
  const words = step.count === "step"
    ? [failed === 0 ? "ok" : "FAILED"]
    : [`${passed} passed`, ...failed > 0 ? [`${failed} FAILED`] : []];
  if (ignored > 0) words.push(`${ignored} ignored`);
  console.log(`${step.name.padEnd(14)}${words.join(", ").padEnd(34)}${seconds.toFixed(1)} s`);
  for (const [line] of outcome.output.matchAll(/^not run: .*$/gm)) console.log(`  ${line}`);
  if (failed > 0) console.log(`\n${failureText(step.count, outcome.output)}\n`);
}

async function testFiles(): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard", "*_test.ts"],
  }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
}

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "vm") return await runVmTests(args.slice(1));
  const flags = args.filter((word) => word.startsWith("-"));
  const words = args.filter((word) => !word.startsWith("-"));
  if (flags.some((flag) => flag !== "--all") || (flags.length > 0 && words.length > 0)) {
    await Deno.stderr.write(new TextEncoder().encode(USAGE));
    return 2;
  }
  const files = await testFiles();
  const groups = words.length > 0 ? filteredRun(files, words) : wholeRun(files, flags.length > 0);
  if (words.length > 0 && groups.length === 1) {
    console.error(`tools/test: no test file's path contains ${words.join(" or ")}`);
    return 2;
  }
  const broken = new Set<string>();
  const failures: Failure[] = [];
  let [passed, failed] = [0, 0];
  const take = async (step: Step) => {
    const outcome = step.needs !== undefined && broken.has(step.needs)
      ? { passed: 0, failed: 1, ignored: 0, seconds: 0, output: `not run: no ${step.needs}` }
      : await runStep(step);
    print(step, outcome);
    passed += outcome.passed;
    failed += outcome.failed;
    if (outcome.failed === 0) return;
    broken.add(step.name);
    failures.push({ step, failed: outcome.failed, output: outcome.output });
  };
  for (const group of groups) await Promise.all(group.map(take));
  // Who asks for a test by name wants to see it fail.
  for (const again of words.length > 0 ? [] : secondTries(failures)) {
    const outcome = await runStep(again.step);
    print(again.step, outcome);
    if (outcome.failed > 0) continue;
    passed += again.failed;
    failed -= again.failed;
    console.log(`needed a second try: ${again.parts.join(" ")}`);
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args));
