/** Exec whose client goes, in part or whole: the program ends or stays, as with LXD 5.0.2. */
import { openExec } from "#tests/world/exec.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `close${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const [KILLED, TERMINATED, BROKEN_PIPE, HUNG_UP] = [137, 143, 141, 129];

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 36 });
  await world.launch(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const SILENT = ["sleep", "1000"];
const WRITING = ["sh", "-c", "while sleep 0.1; do echo x; done"];
const PIPES = ["0", "1", "2"];

interface Case {
  readonly what: string;
  readonly command: readonly string[];
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  /** Undefined: it goes on. */
  readonly status: number | undefined;
}

const CASES: readonly Case[] = [
  ...([
    ["the control", [...PIPES, "control"], ["control"], KILLED],
    ["all with a control", [...PIPES, "control"], [...PIPES, "control"], KILLED],
    ["all without a control", PIPES, PIPES, KILLED],
    ["the output, without a control", PIPES, ["1"], KILLED],
    ["the output, with a control", [...PIPES, "control"], ["1"], undefined],
    ["the input", PIPES, ["0"], undefined],
    ["the errors", PIPES, ["2"], undefined],
    ["the control of a terminal", ["0", "control"], ["control"], KILLED],
    ["a terminal", ["0", "control"], ["0"], HUNG_UP],
  ] as const).map(([what, opened, closed, status]) => ({
    ...{ what, opened, closed, status },
    command: SILENT,
  })),
  {
    what: "the output that it writes to",
    command: WRITING,
    opened: [...PIPES, "control"],
    closed: ["1"],
    status: BROKEN_PIPE,
  },
];

for (const { what, command, opened, closed, status } of CASES) {
  const fate = status === undefined ? "goes on" : `ends with ${status}`;
  Deno.test(`exec: when a client closes ${what}, the program ${fate}`, async () => {
    const interactive = !opened.includes("1");
    const exec = await openExec(world.api, AT, { command, interactive }, opened);
    await new Promise((resolve) => setTimeout(resolve, 300));

    for (const name of closed) exec.hangUp(name);

    if (status === undefined) {
      const wait = `/1.0/operations/${exec.operation.id}/wait?timeout=1`;
      assert.equal((await world.api.get(wait)).status, "Running");
      // A terminal needs no signal; pipes end with their output.
      for (const name of opened) exec.hangUp(name);
    }
    const ended = await exec.ended();
    assert.equal(ended.metadata.return, status ?? KILLED);
  });
}

Deno.test("exec: the control tells signals and sizes, and nonsense is ignored", async () => {
  const command = ["sh", "-c", "trap 'stty size' WINCH; while sleep 0.1; do :; done"];
  const exec = await openExec(world.api, AT, { command, interactive: true, width: 70, height: 9 }, [
    ...["0", "control"],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 300));

  exec.control("nonsense");
  exec.control({ command: "window-resize", args: { width: "123", height: "45" } });

  await exec.until("0", /45 123/);
  exec.control({ command: "signal", signal: 9 });
  assert.equal((await exec.ended()).metadata.return, KILLED);
});

Deno.test("exec: a program whose signal is not caught ends with its number", async () => {
  const exec = await openExec(world.api, AT, { command: SILENT }, [...PIPES, "control"]);
  exec.control({ command: "signal", signal: 15 });
  assert.equal((await exec.ended()).metadata.return, TERMINATED);
});

Deno.test("exec: with security.syscalls.deny_compat no program makes 32-bit system calls", async () => {
  // getpid() by the gate of 32-bit programs.
  const source = `int main(void) {
      int result;
      __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
      return result > 0 ? 0 : 38;
    }`;
  await using scratch = await scratchFile();
  await must(["gcc", "-static", "-x", "c", "-o", scratch.path, "-"], { stdin: source });
  const native = `${NAME}n`;
  await world.launch(native, { config: { "security.syscalls.deny_compat": "true" } });
  const makes = async (name: string) => {
    await world.daemon.lxc(["file", "push", scratch.path, `${name}/root/compat`, "--mode=0755"]);
    return (await world.daemon.try(["exec", name, "--", "/root/compat"])).status;
  };

  const [ofOthers, ofExec] = [await makes(NAME), await makes(native)];
  const { pid } = await world.api.get(`/1.0/instances/${native}/state`);
  const filters = ["exec", native, "--", "grep", "Seccomp_filters", "/proc/self/status"];

  assert.deepEqual([ofOthers, ofExec], [0, 38]);
  // The policy's, and that of the helper.
  assert.match(await Deno.readTextFile(`/proc/${pid}/status`), /^Seccomp_filters:\s+2$/m);
  assert.match(await world.daemon.lxc(filters), /^Seccomp_filters:\s+2$/m);
});

async function scratchFile() {
  const path = await Deno.makeTempFile({ dir: "/var/tmp", prefix: "compat." });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}
