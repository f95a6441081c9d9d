/** What the device suite looks at: one instance and all that the host and its kernel know of it. */
import { CrashWorld } from "#tests/world/crash.ts";
import { setUp } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

export type Options = Readonly<Record<string, string>>;
export type Devices = Readonly<Record<string, Options>>;

const SETTLE_MS = 5_000;
const POLL_MS = 20;

/** Everything that a device may leave: on the host, inside, and in the instance's row. */
export interface View {
  readonly host: object;
  /** undefined: it does not run. */
  readonly inside: object | undefined;
  /** As the API tells it; undefined: there is none. */
  readonly instance: object | undefined;
}

/** An instance whose devices are the test's own, on a daemon whose effects can be made to fail. */
export class DeviceWorld implements AsyncDisposable {
  readonly at: string;

  private constructor(readonly crash: CrashWorld, readonly name: string) {
    this.at = `/1.0/instances/${name}`;
  }

  /** @param subnet Third byte of the bridge's IPv4 network; undefined: no bridge. */
  static async open(subnet?: number): Promise<DeviceWorld> {
    const crash = await CrashWorld.open();
    await setUp(crash.api, subnet);
    // Names that no other daemon on this machine uses: control groups are shared.
    return new DeviceWorld(crash, `dev${subnet ?? ""}x${Deno.pid}`);
  }

  get api() {
    return this.crash.api;
  }

  /** Run a program where the daemon lives. */
  host(...argv: string[]): Promise<string> {
    return must(["nsenter", "-t", `${this.crash.holderPid}`, "-n", "-m", "--", ...argv]);
  }

  async inside(...argv: string[]): Promise<string> {
    return await must(["nsenter", "-t", `${await this.pid()}`, "-n", "--", ...argv]);
  }

  /** A file as the running instance sees it. */
  async seen(path: string): Promise<string> {
    return `/proc/${await this.pid()}/root${path}`;
  }

  async pid(): Promise<number> {
    return (await this.api.get(`${this.at}/state`)).pid;
  }

  async create(devices: Devices): Promise<void> {
    await this.api.do("POST", "/1.0/instances", {
      name: this.name,
      source: { type: "image", alias: "busybox" },
      profiles: [],
      devices: { root: { type: "disk", path: "/", pool: "default" }, ...devices },
    });
  }

  async setState(action: "start" | "stop"): Promise<void> {
    await this.api.do("PUT", `${this.at}/state`, { action, force: action === "stop" });
  }

  /** Set a device; undefined removes it. */
  async setDevice(name: string, options: Options | undefined): Promise<void> {
    const instance = await this.api.get(this.at);
    const { [name]: _before, ...others } = instance.devices;
    const devices = options === undefined ? others : { ...others, [name]: options };
    await this.api.do("PUT", this.at, { ...instance, devices });
  }

  async deviceOptions(name: string): Promise<Options> {
    return (await this.api.get(this.at)).devices[name];
  }

  /** "host_name" of a nic, say. */
  async volatile(device: string, key: string): Promise<string> {
    return (await this.api.get(this.at)).config[`volatile.${device}.${key}`];
  }

  /** Whatever state it is in, it goes. */
  async remove(): Promise<void> {
    const { status, body } = await this.api.ask("GET", this.at);
    if (status === 404) return;
    if (body.metadata.status === "Running") await this.setState("stop");
    await this.api.do("DELETE", this.at);
  }

  async view(): Promise<View> {
    const { status, body } = await this.api.ask("GET", this.at);
    assert.ok(status === 200 || status === 404, JSON.stringify(body));
    const pid = status === 200 ? await this.pid() : 0;
    const instance = status === 404 ? undefined : {
      ...body.metadata,
      created_at: "",
      last_used_at: "",
    };
    const [host, inside] = await Promise.all([
      this.#hostView(),
      pid > 0 ? insideView(pid) : undefined,
    ]);
    return withoutChance({ host, inside, instance });
  }

  async #hostView(): Promise<object> {
    const script = "ip route show table all; ip neigh show proxy; tc qdisc show; tc filter show";
    const [remains, kernel, links] = await Promise.all([
      this.crash.remains(this.name),
      this.host("sh", "-c", script),
      this.host("ip", "-json", "link"),
    ]);
    // They change by themselves: leases of addresses, and what is thrown away in the background.
    const { "storage-pools/default/trash": _trash, "networks/testbr0": _leases, ...rest } = remains;
    // They belong to the container, not to a device.
    const { cgroups: _cgroups, logs: _logs, devices: _devices, processes, ...others } = rest;
    // Those of others come and go.
    const rules = rest["rules"]?.filter((line) => !/^table |^}$/.test(line));
    const mounts = rest["mounts"]?.filter((path) => path.startsWith(this.crash.folder));
    const devices = await this.host("find", `${this.crash.directory}/devices`, "-mindepth", "2");
    const isProxy = (command: string) => command.includes(" proxy ");
    const proxies = processes?.filter(isProxy).map((line) => line.replaceAll(/ \d+ /g, " N "));
    return {
      ...others,
      rules,
      mounts,
      links: linkTexts(links).filter((line) => !line.startsWith("veth")),
      devices: lines(devices),
      proxies,
      // Addresses of interfaces come a moment after them.
      kernel: lines(kernel).filter((line) => !line.includes("fe80::")),
      watches: await this.#watches(),
    };
  }

  /** Watches of paths that the daemon holds. */
  async #watches(): Promise<number> {
    const folder = `/proc/${this.crash.daemonPid}/fdinfo`;
    let count = 0;
    for await (const { name } of Deno.readDir(folder)) {
      const text = await Deno.readTextFile(`${folder}/${name}`).catch(() => "");
      count += text.split("inotify wd:").length - 1;
    }
    return count;
  }

  /** The same view, at once or soon: some goes in the background. */
  async assertView(expected: View, when: string): Promise<void> {
    const end = performance.now() + SETTLE_MS;
    for (;;) {
      const found = differences(expected, await this.view());
      if (found.length === 0) return;
      if (performance.now() > end) assert.fail(`${when}\n${found.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
    await this.crash[Symbol.asyncDispose]();
  }
}

async function insideView(pid: number): Promise<object> {
  const [mountinfo, links, groups] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/mountinfo`),
    must(["nsenter", "-t", `${pid}`, "-n", "--", "ip", "-json", "link"]),
    Deno.readTextFile(`/proc/${pid}/cgroup`),
  ]);
  const group = /^\d+:devices:(.*)$/m.exec(groups)?.[1];
  const rules = group === undefined
    ? ""
    : await Deno.readTextFile(`/sys/fs/cgroup/devices${group}/devices.list`);
  // Point, options and type; not its number nor the path of its source.
  const mounts = lines(mountinfo).map((line) =>
    line.split(" ").filter((_, at) => at > 3).join(" ")
  );
  return {
    mounts: mounts.map((line) => line.replace(/(shared|master):\d+/g, "$1"))
      // init mounts it when it likes.
      .filter((line) => !line.startsWith("/run ")).toSorted(),
    // init sets up its loopback when it likes.
    links: linkTexts(links).filter((line) => !line.startsWith("lo ")),
    rules: lines(rules),
  };
}

/** What is in one of the views alone, as "- before" and "+ after". */
export function differences(before: View, after: View): string[] {
  const [old, now] = [leaves(before, ""), leaves(after, "")];
  return [
    ...old.filter((leaf) => !now.includes(leaf)).map((leaf) => `- ${leaf}`),
    ...now.filter((leaf) => !old.includes(leaf)).map((leaf) => `+ ${leaf}`),
  ];
}

/** Each value with its path; those of a list without their places. */
function leaves(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [`${path} = ${value}`];
  return Object.entries(value).flatMap(([key, one]) =>
    leaves(one, Array.isArray(value) ? path : `${path}/${key}`)
  );
}

/** Name, address, MTU and whether it is up, of each link that ip(8) tells of. */
function linkTexts(json: string): string[] {
  return JSON.parse(json).map((link: Record<string, unknown>) =>
    `${link["ifname"]} ${link["address"]} ${link["mtu"]} ${String(link["flags"]).includes(",UP")}`
  ).toSorted();
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "").toSorted();

/** Names and addresses that are chosen anew each time look alike. */
function withoutChance(view: View): View {
  const text = JSON.stringify(view, (_, value) => value === undefined ? null : value)
    .replaceAll(/\b(veth|mac)[0-9a-f]{8}\b/g, "$1*")
    .replaceAll(/ linkdown/g, "")
    .replaceAll(/direct_packets_stat \d+/g, "direct_packets_stat N")
    .replaceAll(/00:16:3e:[0-9a-f:]{8}|0x163e[0-9a-f]{6}/g, "00:16:3e:*")
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID");
  return JSON.parse(text);
}
