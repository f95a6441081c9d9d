import assert from "node:assert/strict";
import type { FlagsOf, FlagSpecs } from "#cli/command.ts";
import { parseFlags } from "#cli/flags.ts";
import { EXEC_COMMANDS, execRequest, type Surroundings } from "./exec.ts";

const PIPES: Surroundings = { terminals: false, term: undefined, width: 0, height: 0 };
const TERMINAL: Surroundings = { terminals: true, term: "xterm", width: 101, height: 33 };

/** Words of a call -> the request, by the command's own flags. */
function request(words: readonly string[], surroundings = PIPES) {
  const [exec] = EXEC_COMMANDS;
  assert.equal(exec?.name, "exec");
  const { args, flags } = parseFlags(words, exec?.flags ?? {});
  return execRequest(
    args.slice(1),
    flags as FlagsOf<FlagSpecs> as unknown as Parameters<typeof execRequest>[1],
    surroundings,
  );
}

Deno.test("execRequest() runs as root, without a terminal, when nothing else is asked", () => {
  assert.deepEqual(request(["c1", "true"]), {
    command: ["true"],
    environment: {},
    interactive: false,
    width: 0,
    height: 0,
    user: 0,
    group: 0,
    cwd: "",
  });
});

Deno.test("execRequest() leaves what follows -- to the program", () => {
  const { command, cwd } = request(["c1", "--cwd", "/tmp", "--", "ls", "-la", "--env", "A=b"]);

  assert.deepEqual(command, ["ls", "-la", "--env", "A=b"]);
  assert.equal(cwd, "/tmp");
});

Deno.test("execRequest() passes the variables, the terminal's kind first", () => {
  const words = ["c1", "--env", "A=b=c", "--env", "EMPTY", "--env", "TERM=dumb", "sh"];

  assert.deepEqual(request(words, TERMINAL).environment, { TERM: "dumb", A: "b=c", EMPTY: "" });
  assert.deepEqual(request(["c1", "sh"], TERMINAL).environment, { TERM: "xterm" });
});

Deno.test("execRequest() passes user and group", () => {
  const { user, group } = request(["c1", "--user", "1000", "--group=5", "id"]);

  assert.deepEqual([user, group], [1000, 5]);
});

for (
  const [flags, surroundings, interactive] of [
    [[], PIPES, false],
    [[], TERMINAL, true],
    [["-t"], PIPES, true],
    [["-T"], TERMINAL, false],
    [["-n"], TERMINAL, false],
    [["-n", "-t"], TERMINAL, false],
    [["--mode", "interactive"], PIPES, true],
    [["--mode", "non-interactive"], TERMINAL, false],
    [["--mode=auto"], TERMINAL, true],
  ] as const
) {
  const where = surroundings.terminals ? "on a terminal" : "on pipes";
  Deno.test(`execRequest() is interactive: ${interactive}, ${where} with [${flags}]`, () => {
    const { width, height, ...rest } = request(["c1", ...flags, "sh"], surroundings);

    assert.equal(rest.interactive, interactive);
    const size = interactive ? [surroundings.width, surroundings.height] : [0, 0];
    assert.deepEqual([width, height], size);
  });
}

Deno.test("execRequest() refuses flags that contradict each other", () => {
  assert.throws(() => request(["c1", "-t", "-T", "sh"]), {
    name: "UsageError",
    message: "You can't pass -t and -T at the same time",
  });
  assert.throws(() => request(["c1", "-t", "--mode", "interactive", "sh"]), {
    name: "UsageError",
    message: "You can't pass -t or -T at the same time as --mode",
  });
});
