import assert from "node:assert/strict";
import type { FlagSpecs } from "./command.ts";
import { parseFlags } from "./flags.ts";

const SPECS = {
  force: { kind: "bool", short: "f", summary: "" },
  verbose: { kind: "bool", short: "v", summary: "" },
  config: { kind: "list", short: "c", summary: "" },
  timeout: { kind: "int", short: "t", default: -1, summary: "" },
  format: { kind: "string", default: "table", summary: "" },
  console: { kind: "optional", bare: "console", summary: "" },
  "no-profiles": { kind: "bool", summary: "" },
} as const satisfies FlagSpecs;

const parse = (...words: string[]) => parseFlags(words, SPECS);

Deno.test("parseFlags() takes flags wherever they stand before --", () => {
  const { args, flags } = parse("a", "--force", "b", "-c", "x=1", "--", "-v", "--nope");
  assert.deepEqual(args, ["a", "b", "-v", "--nope"]);
  assert.equal(flags.force, true);
  assert.equal(flags.verbose, false);
  assert.deepEqual(flags.config, ["x=1"]);
});

Deno.test("parseFlags() reads short flags joined, with and without a space", () => {
  assert.deepEqual(parse("-fvc", "a=b", "-cc=d", "-t5").flags, {
    force: true,
    verbose: true,
    config: ["a=b", "c=d"],
    timeout: 5,
    format: "table",
    console: "",
    "no-profiles": false,
  });
});

Deno.test("parseFlags() gives an optional value only with an equals sign", () => {
  assert.deepEqual(parse("--console", "vga").args, ["vga"]);
  assert.equal(parse("--console", "vga").flags.console, "console");
  assert.equal(parse("--console=vga").flags.console, "vga");
});

Deno.test("parseFlags() takes a dash and negative numbers as they are meant", () => {
  assert.deepEqual(parse("-").args, ["-"]);
  assert.equal(parse("--timeout", "-3").flags.timeout, -3);
  assert.equal(parse("--no-profiles").flags["no-profiles"], true);
  assert.equal(parse("--force=false").flags.force, false);
});

for (
  const [words, message] of [
    [["--bogus=1"], "unknown flag: --bogus"],
    [["-fx"], "unknown shorthand flag: 'x' in -x"],
    [["--format"], "flag needs an argument: --format"],
    [["-c"], "flag needs an argument: 'c' in -c"],
    [["-t", "x"], 'invalid argument "x" for "-t, --timeout" flag: not a whole number'],
    [["--force=maybe"], 'invalid argument "maybe" for "-f, --force" flag: not a boolean'],
    [["--constructor"], "unknown flag: --constructor"],
  ] as const
) {
  Deno.test(`parseFlags() refuses ${words.join(" ")}`, () => {
    assert.throws(() => parse(...words), { name: "UsageError", message });
  });
}
