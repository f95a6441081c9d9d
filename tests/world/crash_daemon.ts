/**
 * Runs the daemon's bundle, counts what it does to the world, and kills it in front of the n-th effect,
 * or makes that one fail. Effects are calls that change files, mounts or the database, and the programs
 * that it runs, so that the product needs to know nothing of its own death.
 *
 * $LXD_TEST_CRASH names a file: while it exists with "kill n" or "fail n", the n-th effect since then is
 * the end, or fails. Arguments: the bundle, the C helper, then those of the daemon.
 */
import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";
import { constants, Script } from "node:vm";
import { type Fate, watchEffects } from "./effects.ts";

const control = Deno.env.get("LXD_TEST_CRASH") ?? "";
const { readTextFileSync, writeTextFileSync, kill, pid } = Deno;
let armed = "";
let count = 0;

function fateOf(effect: string): Fate {
  let text = "";
  try {
    text = readTextFileSync(control);
  } catch {
    // Ignored: not armed.
  }
  if (text !== armed) [armed, count] = [text, 0];
  const [how, wanted] = text.split(" ");
  // A program that runs fails at its start or not at all.
  const counts = how === "kill" || !effect.startsWith("while it runs:");
  if (text === "" || !counts || ++count !== Number(wanted)) return "happens";
  writeTextFileSync(`${control}.at`, effect);
  if (how === "kill") kill(pid, "SIGKILL");
  return "fails";
}

watchEffects(fateOf);

const exec = DatabaseSync.prototype.exec;
const writing = new WeakSet<DatabaseSync>();
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  if (sql === "BEGIN IMMEDIATE") writing.add(this);
  else if (sql === "COMMIT" && writing.delete(this) && fateOf("commit") === "fails") {
    throw new Error("made to fail: commit");
  }
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
