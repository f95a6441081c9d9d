/**
 * The helper's argument parser against nonsense: built with sanitizers and run by a user without any
 * privilege, so that a call that happens to be valid changes nothing. Needs root to become that user.
 */
import assert from "node:assert/strict";
import { type HostPath, hostPath } from "#base/brand.ts";
import { buildHelper, helperSources, temporaryDirectory } from "./ffi_support.ts";

const NOBODY = 65534;
const USAGE = 64;
const CONFINE_FAILED = 125;
const VECTORS = 3000;
const VERBS = [
  "confine",
  "exec",
  "hook",
  "mount",
  "net",
  "shift",
  "start",
  "umount",
  "userns",
  "xtables",
];

/** Words that are right somewhere, and words that never are. */
const WORDS = [
  ...VERBS,
  ...["0", "1", "3", "-1", "007", "65536", "2147483647", "2147483648", "99999999999999999999"],
  ...["1e3", "0x10", " 1", "1 ", "+1", "\x01", "--", "-", ".", "/", "//", "/tmp", "/nonexistent"],
  ...["ro", "rec", "idmap", "file", "propagation=", "propagation=-1", "propagation=99999999999"],
  ...["into", "out", "test", "change", "b", "u", "4294967295"],
  ...["pipe", "tty", "A=b", "=", "%s%n%n", "a\nb", "\xff\xfe", "../..", "/../../x"],
  ...["x".repeat(200), "/" + "y".repeat(5000), "/".repeat(4095), "/a".repeat(2500)],
];

/** A small generator with a seed, so that a failure can be had again. @see Marsaglia, xorshift */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomVectors(count: number): string[][] {
  const random = randomOf(20_240_229);
  const pick = (from: readonly string[]) => from[random(from.length)] ?? "";
  return Array.from({ length: count }, () => {
    const words = Array.from({ length: random(14) }, () => pick(WORDS));
    return random(10) === 0 ? words : [pick(VERBS), ...words];
  });
}

async function gcc(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("gcc", { args: [...args] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function buildFuzzer(directory: HostPath): Promise<HostPath> {
  const fuzzer = hostPath(`${directory}/fuzzer`);
  const common = ["-D_GNU_SOURCE", "-g", "-O1", "-fno-sanitize-recover=all"];
  const flags = [...common, "-fsanitize=address,undefined"];
  const objects = await Promise.all(
    helperSources().map(async (source, index) => {
      const object = `${directory}/${index}.o`;
      await gcc([...flags, "-Dmain=helper_main", "-c", source, "-o", object]);
      return object;
    }),
  );
  const driver = new URL("helper_fuzz.c", import.meta.url).pathname;
  await gcc([...flags, driver, ...objects, "-o", fuzzer, "-llxc"]);
  return fuzzer;
}

Deno.test("helper: thousands of wrong calls neither crash nor hang it", async () => {
  using directory = temporaryDirectory();
  const fuzzer = await buildFuzzer(directory.path);
  const vectors = randomVectors(VECTORS);
  const input = vectors.map((words) => words.map((word) => `${word}\0`).join("") + "\0").join("");

  const child = new Deno.Command(fuzzer, {
    clearEnv: true,
    env: { ASAN_OPTIONS: "exitcode=86:detect_leaks=0", UBSAN_OPTIONS: "exitcode=86" },
    uid: NOBODY,
    gid: NOBODY,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(Uint8Array.from(input, (char) => char.charCodeAt(0)));
  await writer.close();
  const text = new TextDecoder().decode((await output).stdout);

  assert.equal(text, `done ${VECTORS}\n`);
});

const WRONG: readonly (readonly string[])[] = [
  [],
  ["nonsense"],
  ["start"],
  ["start", "/a", "b"],
  ["start", "/a", "b", "/c", "extra"],
  ["exec"],
  ["exec", "extra"],
  ["mount", "0", "/a", "/b"],
  ["mount", "-1", "/a", "/b"],
  ["mount", "1", "/a", "/b"],
  ["mount", "2", "a", "/b"],
  ["mount", "2", "/a", "b"],
  ["mount", "2", "/a", "/b", "rw"],
  ["umount", "2"],
  ["umount", "2", "relative"],
  ["umount", "1", "/a"],
  ["net", "extra"],
  ["userns", "extra"],
  ["xtables"],
  ["xtables", "ip4"],
  ["shift", "/nonexistent", "into", "test"],
  ["shift", "/nonexistent", "into", "test", "b", "0", "100000"],
  ["shift", "/nonexistent", "into", "test", "b", "0", "100000", "1", "u"],
  ["shift", "/nonexistent", "into", "test", "b", "0", "100000", "x"],
  ["shift", "/nonexistent", "into", "test", "b", "0", "-1", "1"],
  ["shift", "/nonexistent", "into", "test", "b", "0", "4294967295", "1"],
  ["shift", "/nonexistent", "into", "test", "x", "0", "100000", "1"],
  ["shift", "/nonexistent", "sideways", "test", "b", "0", "100000", "1"],
  ["shift", "/nonexistent", "into", "maybe", "b", "0", "100000", "1"],
  ["shift", "", "into", "test", "b", "0", "100000", "1"],
  ["hook"],
  ["hook", "/socket"],
  ["hook", "/socket", "relative"],
];

Deno.test("helper: each wrong call ends with the status of a wrong call", async (t) => {
  using directory = temporaryDirectory();
  const helper = await buildHelper(directory.path);
  const run = async (args: readonly string[]) => {
    const command = new Deno.Command(helper, { args: [...args], clearEnv: true, stdin: "null" });
    return (await command.output()).code;
  };

  for (const args of WRONG) {
    await t.step(`helper ${args.join(" ")}`, async () => assert.equal(await run(args), USAGE));
  }
  for (const args of [["confine"], ["confine", "relative", "--", "true"], ["confine", "/tmp"]]) {
    const title = `helper ${args.join(" ")}`;
    await t.step(title, async () => assert.equal(await run(args), CONFINE_FAILED));
  }
});
