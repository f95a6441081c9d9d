/** A daemon of ours that is ready for instances: a pool, a bridge, the image "busybox". */
import assert from "node:assert/strict";
import { type Api, apiOf } from "./api.ts";
import { type DaemonOptions, OURS, TestDaemon } from "./daemon.ts";
import { must } from "./run.ts";

export interface InstanceDaemon extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly api: Api;
  /** Launch from the image; waits until it runs. */
  launch(name: string, body?: Readonly<Record<string, unknown>>): Promise<void>;
  /** The same without the start. */
  create(name: string, body?: Readonly<Record<string, unknown>>): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  setState(name: string, action: string, more?: Readonly<Record<string, unknown>>): Promise<void>;
}

/** @param subnet Third byte of the bridge's IPv4 network. */
export async function startInstanceDaemon(
  options: { readonly subnet: number } & Pick<DaemonOptions, "env" | "prepare">,
): Promise<InstanceDaemon> {
  const { subnet, ...more } = options;
  const daemon = await TestDaemon.start({ ...OURS, ...more });
  const api = apiOf(daemon);
  try {
    await setUp(api, subnet);
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  const create = async (name: string, body = {}) => {
    await api.do("POST", "/1.0/instances", {
      name,
      source: { type: "image", alias: "busybox" },
      ...body,
    });
  };
  return {
    daemon,
    api,
    create,
    launch: (name, body = {}) => create(name, { ...body, start: true }),
    async setState(name, action, more = {}) {
      await api.do("PUT", `/1.0/instances/${name}/state`, { action, timeout: 30, ...more });
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      const left = await must(["ps", "-eo", "pid=,args="]);
      await daemon[Symbol.asyncDispose]();
      const lines = left.split("\n").filter((line) => line.includes(`${daemon.directory}/`));
      assert.deepEqual(lines, [], "a shutdown leaves no process");
    },
  };
}

/**
 * A pool, a bridge, a default profile that uses both, and the image "busybox".
 *
 * @param subnet Third byte of the bridge's IPv4 network; undefined: no bridge.
 */
export async function setUp(api: Api, subnet: number | undefined): Promise<void> {
  await api.do("POST", "/1.0/storage-pools", { name: "default", driver: "dir" });
  if (subnet !== undefined) {
    const config = { "ipv4.address": `10.247.${subnet}.1/24`, "ipv6.address": "none" };
    await api.do("POST", "/1.0/networks", { name: "testbr0", config });
  }
  const eth0 = { type: "nic", network: "testbr0", name: "eth0" };
  await api.do("PATCH", "/1.0/profiles/default", {
    devices: {
      root: { type: "disk", path: "/", pool: "default" },
      ...subnet !== undefined && { eth0 },
    },
  });
  await api.do("POST", "/1.0/images", {
    source: { type: "build", alias: "busybox" },
    aliases: [{ name: "busybox" }],
  });
}
