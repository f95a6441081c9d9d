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
import { watchEffects } from "./effects.ts";

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

watchEffects((name) => {
  effect(name);
  return false;
});

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
