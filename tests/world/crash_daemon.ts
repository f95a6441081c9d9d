/**
 * Runs the daemon's bundle, counts what it does to the world, and kills it in front of the n-th effect.
 * Effects are calls that change files, mounts or the database, and the programs that it runs, so that
 * the product needs to know nothing of its own death.
 *
 * $LXD_TEST_CRASH names a file: while it exists with a number n, the n-th effect since then is the end.
 * Arguments: the bundle, the C helper, then those of the daemon.
 */
import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";
import { constants, Script } from "node:vm";

const control = Deno.env.get("LXD_TEST_CRASH") ?? "";
const { readTextFileSync, writeTextFileSync, kill, pid } = Deno;
let armed = "";
let count = 0;

function effect(name: string): void {
  let text = "";
  try {
    text = readTextFileSync(control);
  } catch {
    // Ignored: not armed.
  }
  if (text !== armed) [armed, count] = [text, 0];
  if (text === "" || ++count !== Number.parseInt(text)) return;
  writeTextFileSync(`${control}.at`, name);
  kill(pid, "SIGKILL");
}

// deno-lint-ignore no-explicit-any
const space = Deno as any;

const CALLS = [
  ...["mkdir", "rename", "remove", "symlink", "link", "chmod", "chown", "copyFile"],
  ...["writeTextFile", "writeFile", "truncate"],
];
for (const name of CALLS.flatMap((one) => [one, `${one}Sync`])) {
  const original = space[name];
  space[name] = (...args: unknown[]) => {
    effect(`${name} ${args[0]}`);
    return original(...args);
  };
}

const { Command } = Deno;
space.Command = class extends Command {
  readonly #what: string;

  constructor(command: string | URL, options?: Deno.CommandOptions) {
    super(command, options);
    this.#what = [command, ...options?.args ?? []].join(" ");
  }

  override spawn(): Deno.ChildProcess {
    effect(`before ${this.#what}`);
    const child = super.spawn();
    effect(`while it runs: ${this.#what}`);
    return child;
  }

  override output(): Promise<Deno.CommandOutput> {
    effect(`before ${this.#what}`);
    return super.output();
  }
};

const MOVE_MOUNT = 429;
const { dlopen } = Deno;
space.dlopen = (file: string, table: Deno.ForeignLibraryInterface) => {
  const library = dlopen(file, table);
  const symbols: Record<string, unknown> = { ...library.symbols };
  for (const name of ["mount", "umount2", "syscall"]) {
    const original = symbols[name] as ((...args: unknown[]) => unknown) | undefined;
    if (original === undefined) continue;
    symbols[name] = (...args: unknown[]) => {
      if (name !== "syscall" || Number(args[0]) === MOVE_MOUNT) effect(name);
      return original(...args);
    };
  }
  return { symbols, close: () => library.close() };
};

const exec = DatabaseSync.prototype.exec;
const writing = new WeakSet<DatabaseSync>();
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  if (sql === "BEGIN IMMEDIATE") writing.add(this);
  else if (sql === "COMMIT" && writing.delete(this)) effect("commit");
  return exec.call(this, sql);
};

const [bundle = "", helper = "", ...args] = Deno.args;
const part = { exports: {} as import("#base/program.ts").DaemonPart };
const evaluate = new Script(readTextFileSync(bundle), {
  filename: bundle,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext();
evaluate(createRequire(import.meta.url), part, part.exports, bundle, "/");
Deno.exit(
  await part.exports.main({
    argv0: "lxd",
    args,
    loadDaemon: () => Promise.resolve(part.exports),
    loadClient: () => Promise.reject(new Error("the daemon alone is tested")),
    helper: () => Deno.readFile(helper),
  }),
);
