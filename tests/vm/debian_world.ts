/** In the VM: a daemon with the image "debian" of debian.ts, lxcfs, and the client to drive it. */
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import { DEBIAN_FILES } from "./debian.ts";

/** This machine is slow. */
const LIMIT_MS = 300_000;
const POLL_MS = 1000;
const LXCFS = "/var/lib/lxcfs";

export class DebianWorld implements AsyncDisposable {
  private constructor(readonly daemon: TestDaemon, readonly lxcfs: Deno.ChildProcess) {}

  /** @param folder Where debian.ts has put the image. */
  static async open(folder: string): Promise<DebianWorld> {
    for (const module of ["fuse", "loop"]) await must(["modprobe", module]);
    // As udev would.
    await Deno.chmod("/dev/fuse", 0o666);
    await Deno.mkdir(LXCFS, { recursive: true });
    const lxcfs = new Deno.Command("lxcfs", {
      args: [LXCFS],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(() => Promise.resolve(isThere(`${LXCFS}/proc/meminfo`)), "lxcfs");
    const world = new DebianWorld(await TestDaemon.start(OURS), lxcfs);
    await world.lxc("storage", "create", "default", "dir");
    await world.lxc(
      "profile",
      "device",
      "add",
      "default",
      "root",
      "disk",
      "path=/",
      "pool=default",
    );
    const files = DEBIAN_FILES.map((name) => `${folder}/${name}`);
    await world.lxc("image", "import", ...files, "--alias", "debian");
    return world;
  }

  lxc(...args: string[]): Promise<string> {
    return this.daemon.lxc(args, { limitMs: LIMIT_MS });
  }

  exec(name: string, ...argv: string[]): Promise<string> {
    return this.lxc("exec", name, "--", ...argv);
  }

  /** "RUNNING", "STOPPED". */
  async status(name: string): Promise<string> {
    return (await this.lxc("list", `^${name}$`, "-c", "s", "-f", "csv")).trim();
  }

  async pid(name: string): Promise<number> {
    return JSON.parse(await this.lxc("query", `/1.0/instances/${name}/state`)).pid;
  }

  /** systemd has started all, and nothing failed. */
  async untilBooted(name: string): Promise<void> {
    await until(async () => {
      const { stdout } = await this.daemon.try([
        "exec",
        name,
        "--",
        "systemctl",
        "is-system-running",
      ]);
      if (stdout !== "degraded\n") return stdout === "running\n";
      throw new Error(await this.exec(name, "systemctl", "--failed", "--no-pager"));
    }, `the boot of ${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    this.lxcfs.kill();
    await this.lxcfs.status;
  }
}

export async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!await isSo()) {
    if (performance.now() > end) throw new Error(`${what} never came`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // Ignored: not yet.
  }
}
