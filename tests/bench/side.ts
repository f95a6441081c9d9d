/** One of the two that are compared: a daemon with its client, set up alike. */
import { type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";

export interface ImageFiles {
  readonly debian: readonly string[];
  readonly busybox: readonly string[];
}

/** Subnets of the machine's own: each daemon has a network namespace of its own. */
const NETWORK = ["ipv4.address=10.248.3.1/24", "ipv4.nat=true", "ipv6.address=none"];

export class Side implements AsyncDisposable {
  readonly api: Api;

  private constructor(readonly name: "ours" | "LXD", readonly daemon: TestDaemon) {
    this.api = apiOf(daemon);
  }

  static async ours(images: ImageFiles, client = OURS.lxc): Promise<Side> {
    return await new Side("ours", await TestDaemon.start({ lxd: OURS.lxd, lxc: client }))
      .#setUp(images);
  }

  static async reference(images: ImageFiles): Promise<Side> {
    return await new Side("LXD", await TestDaemon.start(DEBIAN)).#setUp(images);
  }

  async #setUp(images: ImageFiles): Promise<Side> {
    await this.lxc("storage", "create", "default", "dir");
    await this.lxc("profile", "device", "add", "default", "root", "disk", "path=/", "pool=default");
    await this.lxc("network", "create", "benchbr0", ...NETWORK);
    const nic = ["nic", "network=benchbr0", "name=eth0"];
    await this.lxc("profile", "device", "add", "default", "eth0", ...nic);
    await this.lxc("image", "import", ...images.debian, "--alias", "debian");
    await this.lxc("image", "import", ...images.busybox, "--alias", "busybox");
    return this;
  }

  lxc(...args: string[]): Promise<string> {
    return this.daemon.lxc(args, { limitMs: 300_000 });
  }

  /** Through a shell: pipes of the host around the client, which is "$LXC". */
  async shell(script: string): Promise<void> {
    const { code, stderr } = await new Deno.Command("bash", {
      args: ["-euo", "pipefail", "-c", script],
      env: { ...this.daemon.env, LXC: this.daemon.options.lxc },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) throw new Error(`${script}: ${new TextDecoder().decode(stderr)}`);
  }

  async remove(...names: string[]): Promise<void> {
    await this.lxc("delete", "--force", ...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}
