/** A daemon (ours or Debian's LXD) with a state directory and a network of its own. */
import { must, run, type RunOptions } from "./run.ts";
import { SLOWNESS } from "./slowness.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const OWN_NET = `${root}/tests/world/own_net.sh`;

export const OURS = { lxd: `${root}/dist/lxd`, lxc: `${root}/dist/lxc` };
export const DEBIAN = { lxd: "/usr/bin/lxd", lxc: "/usr/bin/lxc" };

const READY_MS = 30_000 * SLOWNESS;
const STOP_MS = 60_000 * SLOWNESS;
const POLL_MS = 20 * SLOWNESS;

export interface DaemonOptions {
  readonly lxd: string;
  /** The client that `lxc()` calls. */
  readonly lxc: string;
  readonly env?: Record<string, string>;
  /** Make something of the empty state directory before the daemon starts. */
  readonly prepare?: (directory: string) => Promise<void>;
  /** A directory with hardware that stands in place of the host's: tests/fakes/hardware. */
  readonly hardware?: string;
  /** Live in the network of this one. */
  readonly beside?: TestDaemon;
  /** The machine is its own, as in a VM: no namespaces, so that the next one finds the instances. */
  readonly isAlone?: boolean;
}

export class TestDaemon implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #ended = false;

  private constructor(readonly folder: string, readonly options: DaemonOptions) {
    this.#child = this.#spawn(options.env ?? {});
  }

  static async start(options: DaemonOptions): Promise<TestDaemon> {
    const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-test." });
    await Deno.chmod(folder, 0o711);
    for (const name of ["lxd", "conf"]) await Deno.mkdir(`${folder}/${name}`, { mode: 0o711 });
    await options.prepare?.(`${folder}/lxd`);
    const daemon = new TestDaemon(folder, options);
    await daemon.#untilReady();
    return daemon;
  }

  #spawn(env: Readonly<Record<string, string>>): Deno.ChildProcess {
    const { beside, hardware, isAlone, lxd } = this.options;
    const network = beside === undefined
      ? ["unshare", "--net"]
      : ["nsenter", "-t", `${beside.pid}`, "-n", "--", "unshare"];
    const namespaces = isAlone === true ? [] : [...network, "--mount", OWN_NET];
    const [program = "", ...args] = [...namespaces, lxd];
    const child = new Deno.Command(program, {
      args: [...args, "--group", "root", "--logfile", `${this.folder}/log`],
      env: {
        LXD_DIR: this.directory,
        ...(hardware === undefined ? {} : { LXD_TEST_HARDWARE: hardware }),
        ...env,
      },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#ended = false;
    child.status.then(() => this.#ended = true);
    return child;
  }

  /** Shut it down and start it again, in another environment. */
  async restart(env: Readonly<Record<string, string>>): Promise<void> {
    await this.stop();
    this.#child = this.#spawn(env);
    await this.#untilReady();
  }

  /** End it alone, by a signal, and start the next, which takes its instances over. */
  async replace(signal: Deno.Signal, between: () => Promise<void>): Promise<void> {
    this.#child.kill(signal);
    await this.#child.status;
    await between();
    this.#child = this.#spawn(this.options.env ?? {});
    await this.#untilReady();
  }

  /** Of the daemon itself: unshare(1) and the script replaced themselves by it. */
  get pid(): number {
    return this.#child.pid;
  }

  get directory(): string {
    return `${this.folder}/lxd`;
  }

  get env(): Record<string, string> {
    return { LXD_DIR: this.directory, LXD_CONF: `${this.folder}/conf` };
  }

  async #untilReady(): Promise<void> {
    const end = performance.now() + READY_MS;
    for (;;) {
      const { status, stdout } = await this.request("GET", "/internal/ready");
      if (status === 0 && stdout.includes(`"sync"`)) return;
      if (this.#ended || performance.now() > end) {
        const log = await Deno.readTextFile(`${this.folder}/log`).catch(() => "(no log)");
        throw new Error(`${this.options.lxd} did not get ready\n${log.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** A request to the API, by curl: no client of ours or of Debian between. */
  request(method: string, path: string, body?: unknown) {
    const argv = ["curl", "-s", "-X", method, "--unix-socket", `${this.directory}/unix.socket`];
    if (body !== undefined) argv.push("--data", JSON.stringify(body));
    return run([...argv, `http://daemon${path}`]);
  }

  /** Run the client. @throws Error with its output, unless it succeeds. */
  lxc(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must([this.options.lxc, ...args], { ...options, env: { ...this.env, ...options.env } });
  }

  /** As `lxc`, for calls that may fail. */
  try(args: readonly string[], options: RunOptions = {}) {
    return run([this.options.lxc, ...args], { ...options, env: { ...this.env, ...options.env } });
  }

  /** Instances and networks stop too. The state directory stays until the disposal. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    await this.request("PUT", "/internal/shutdown?force=1");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#child.status;
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}
