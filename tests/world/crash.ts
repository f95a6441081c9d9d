/** A daemon whose n-th effect is its end, or fails, and what it and its successors leave behind. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { bundleDaemon, stopBundler } from "#tools/link/bundle.ts";
import { type Api, apiOf } from "./api.ts";
import { must, run } from "./run.ts";
import { readTraces } from "./traces.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const READY_MS = 30_000;
const SETTLE_MS = 5_000;
const POLL_MS = 10;
/** What is the same twice, this far apart, is taken for what stays. */
const STAYS_MS = 100;

/** All that may be left of an instance. */
export type Remains = Readonly<Record<string, readonly string[]>>;

export class CrashWorld implements AsyncDisposable {
  readonly api: Api;
  readonly #holder: Deno.ChildProcess;
  #daemon: Deno.ChildProcess | undefined;

  private constructor(readonly folder: string, holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.api = apiOf(this);
  }

  /** Namespaces that outlive each daemon, as the host does. */
  static async open(): Promise<CrashWorld> {
    const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-crash." });
    await Deno.chmod(folder, 0o711);
    await Deno.mkdir(`${folder}/lxd`, { mode: 0o711 });
    const holder = new Deno.Command("unshare", {
      args: ["--net", "--mount", `${root}/tests/world/own_net.sh`, "sh", "-c", "echo up; exec cat"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await Deno.writeFile(`${folder}/daemon.js`, (await bundleDaemon(root)).code);
    await stopBundler();
    const world = new CrashWorld(folder, holder);
    const reader = holder.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    await world.startDaemon();
    return world;
  }

  get directory(): string {
    return `${this.folder}/lxd`;
  }

  /** Path of a file of the state directory with the mounts that the daemons see. */
  seen(path: string): string {
    return `/proc/${this.#holder.pid}/root${this.directory}/${path}`;
  }

  /** In whose namespaces the daemons live. */
  get holderPid(): number {
    return this.#holder.pid;
  }

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0;
  }

  get #control(): string {
    return `${this.folder}/crash`;
  }

  async startDaemon(): Promise<void> {
    await Deno.remove(this.#control).catch(() => undefined);
    const daemon = new Deno.Command("sh", {
      args: [
        ...["-c", 'exec "$@" 2>>"$0"', `${this.folder}/stderr`, "nsenter"],
        ...["-t", `${this.#holder.pid}`, "--net", "--mount", `--wd=${this.folder}`],
        ...[
          Deno.execPath(),
          "run",
          "-A",
          "--no-lock",
          "--no-config",
          "--no-check",
          "--cached-only",
        ],
        ...[`${root}/tests/world/crash_daemon.ts`, `${this.folder}/daemon.js`],
        ...[`${root}/dist/helper`, "--group", "root", "--logfile", `${this.folder}/log`],
      ],
      env: { LXD_DIR: this.directory, LXD_TEST_CRASH: this.#control, DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#daemon = daemon;
    const end = performance.now() + READY_MS;
    for (;;) {
      const answer = await this.api.ask("GET", "/internal/ready").catch(() => undefined);
      if (answer?.status === 200) return;
      assert.ok(performance.now() < end, `the daemon did not get ready\n${await this.log()}`);
      await pause();
    }
  }

  /** By a signal from outside; it has ended when this returns. */
  async endDaemon(signal: Deno.Signal): Promise<void> {
    this.#daemon?.kill(signal);
    await this.#ended();
  }

  async log(): Promise<string> {
    const texts = await Promise.all(
      ["crash.at", "stderr"].map((name) => Deno.readTextFile(`${this.folder}/${name}`)),
    ).catch(() => ["(no log)"]);
    return texts.join("\n").slice(-4000);
  }

  /**
   * Run a change that ends with the daemon's death in front of its n-th effect, and start the next.
   *
   * @returns The effect, or undefined if the change has fewer.
   */
  async crash(effect: number, change: () => Promise<unknown>): Promise<string | undefined> {
    await this.#arm("kill", effect);
    // Cut off by the crash: that is the plan.
    const changed = change().then(() => undefined, (error) => error);
    const ended = await Promise.race([changed.then(() => false), this.#ended().then(() => true)]);
    await Deno.remove(this.#control).catch(() => undefined);
    if (!ended) {
      const error = await changed;
      const at = await Deno.readTextFile(`${this.#control}.at`).catch(() => undefined);
      if (at === undefined) {
        if (error !== undefined) throw error;
        return undefined;
      }
    }
    await this.#ended();
    await this.startDaemon();
    return await Deno.readTextFile(`${this.#control}.at`);
  }

  /**
   * Run a change whose n-th effect fails. The daemon goes on.
   *
   * @returns The effect, or undefined if the change has fewer; and what the change threw, if it did.
   */
  async fail(
    effect: number,
    change: () => Promise<unknown>,
  ): Promise<{ readonly at: string | undefined; readonly error: unknown }> {
    await this.#arm("fail", effect);
    const error = await change().then(() => undefined, (error) => error);
    await Deno.remove(this.#control);
    return { at: await Deno.readTextFile(`${this.#control}.at`).catch(() => undefined), error };
  }

  async #arm(how: "kill" | "fail", effect: number): Promise<void> {
    await Deno.remove(`${this.#control}.at`).catch(() => undefined);
    await Deno.writeTextFile(this.#control, `${how} ${effect} ${crypto.randomUUID()}`);
  }

  async #ended(): Promise<void> {
    await this.#daemon?.status;
  }

  /** What there is of instances now; `prefix` starts their names. */
  async remains(prefix: string): Promise<Remains> {
    const [traces, rules, volumes, rows] = await Promise.all([
      readTraces(this.#holder.pid, prefix),
      must(["nsenter", "-t", `${this.#holder.pid}`, "--net", "nft", "list", "ruleset"]),
      this.#sql("SELECT name FROM storage_volumes"),
      this.#sql("SELECT name FROM instances"),
    ]);
    const folders = [
      ...["containers", "snapshots", "devices", "security/seccomp", "logs", "networks/testbr0"],
      ...["networks/testbr0/dnsmasq.hosts", "storage-pools/default/containers"],
      ...["storage-pools/default/containers-snapshots", "storage-pools/default/layers"],
      "storage-pools/default/trash",
    ];
    const files = await Promise.all(folders.map((folder) => this.#list(folder)));
    // The last is our own question for the rules.
    const daemons = (line: string) =>
      !/crash_daemon|^sh -c|^cat$| net$|^nft list ruleset$/.test(line);
    return {
      ...traces,
      processes: traces.processes.filter(daemons),
      rules: rules.split("\n"),
      volumes,
      rows,
      ...Object.fromEntries(folders.map((folder, index) => [folder, files[index] ?? []])),
    };
  }

  async #list(folder: string): Promise<string[]> {
    try {
      const entries = await Array.fromAsync(Deno.readDir(`${this.directory}/${folder}`));
      return entries.map(({ name }) => name).toSorted();
    } catch {
      return []; // Ignored: nothing was put there yet.
    }
  }

  async #sql(query: string): Promise<string[]> {
    const { results } = await this.api.do("POST", "/internal/sql", { database: "global", query });
    return results[0].rows.map((row: unknown[]) => String(row[0])).toSorted();
  }

  /** What stays, to compare with later: not a process that is just ending. */
  async settled(prefix: string): Promise<Remains> {
    const end = performance.now() + SETTLE_MS;
    let last = await this.remains(prefix);
    for (;;) {
      await pause(STAYS_MS);
      const found = await this.remains(prefix);
      if (isDeepStrictEqual(found, last)) return found;
      assert.ok(performance.now() < end, `it did not come to rest\n${await this.log()}`);
      last = found;
    }
  }

  /** The same remains, at once or soon: what is thrown away goes in the background. */
  async assertRemains(prefix: string, expected: Remains, when: string): Promise<void> {
    const end = performance.now() + SETTLE_MS;
    for (;;) {
      const found = await this.remains(prefix);
      try {
        assert.deepEqual(found, expected, when);
        return;
      } catch (error) {
        if (performance.now() > end) throw error;
      }
      await pause();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.ask("PUT", "/internal/shutdown?force=1").catch(() => undefined);
    await this.#ended();
    await this.#holder.stdin.close();
    await this.#holder.status;
    await run(["rm", "-rf", "--one-file-system", this.folder]);
  }
}

function pause(milliseconds = POLL_MS): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
