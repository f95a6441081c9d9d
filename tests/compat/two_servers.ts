/** Our daemon and Debian's LXD side by side: one network, a pool and an image each, HTTPS, a password. */
import { type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import { SLOWNESS } from "#tests/world/slowness.ts";
import assert from "node:assert/strict";
import { isInstalled } from "./installed.ts";

const LIMIT_MS = 120_000 * SLOWNESS;

/** Debian's package lxd is only there where the benchmarks run: tools/bootstrap lxd. */
export const hasLxd: boolean = await isInstalled(DEBIAN.lxd, "lxd");

export interface Server {
  readonly daemon: TestDaemon;
  readonly api: Api;
}

export interface TwoServers extends AsyncDisposable {
  readonly ours: Server;
  readonly theirs: Server;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Ours listens on port 8443, Debian's on 8444. @param driver Of the pool "pool" on both. */
export async function startTwoServers(driver = "dir"): Promise<TwoServers> {
  const daemon = await TestDaemon.start({ ...OURS });
  const beside = await TestDaemon.start({ ...DEBIAN, beside: daemon });
  return {
    ours: { daemon, api: await prepare(daemon, 8443, driver) },
    theirs: { daemon: beside, api: await prepare(beside, 8444, driver) },
    async [Symbol.asyncDispose]() {
      await beside[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

async function prepare(daemon: TestDaemon, port: number, driver: string): Promise<Api> {
  const api = apiOf(daemon);
  const config = driver === "dir" ? {} : { size: "1GiB" };
  await api.do("POST", "/1.0/storage-pools", { name: "pool", driver, config });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "pool" } },
  });
  await api.do("PUT", "/1.0", {
    config: { "core.https_address": `127.0.0.1:${port}`, "core.trust_password": "sesame" },
  });
  return api;
}

/** The image "tiny" on our server. @returns its fingerprint. */
export async function buildImage({ api }: Server): Promise<string> {
  const built = await api.do("POST", "/1.0/images", {
    source: { type: "build", alias: "busybox" },
    aliases: [{ name: "tiny" }],
  });
  return built.fingerprint;
}

export interface Client {
  lxc(...args: string[]): Promise<string>;
  /** @returns what it says on standard error. */
  fails(...args: string[]): Promise<string>;
}

/** A client with files of its own, in the network of both; its local server is ours. */
export function clientOf({ ours }: TwoServers, program: string, folder: string): Client {
  const { daemon } = ours;
  const argv = (args: readonly string[]) => [
    ...["nsenter", "-t", `${daemon.pid}`, "-n", "--", program],
    ...args,
  ];
  const options = {
    env: { LXD_DIR: daemon.directory, LXD_CONF: `${daemon.folder}/${folder}` },
    limitMs: LIMIT_MS,
  };
  return {
    lxc: (...args) => must(argv(args), options),
    fails: async (...args) => {
      const { status, stderr } = await run(argv(args), options);
      assert.notEqual(status, 0, args.join(" "));
      return stderr;
    },
  };
}

/** One that both servers trust. Ours is "us" and not the local socket: other servers can reach it. */
export async function trustedClient(
  servers: TwoServers,
  program: string,
  folder: string,
): Promise<Client> {
  const client = clientOf(servers, program, folder);
  const trust = ["--accept-certificate", "--password", "sesame"];
  await client.lxc("remote", "add", "us", "127.0.0.1:8443", ...trust);
  await client.lxc("remote", "add", "deb", "127.0.0.1:8444", ...trust);
  return client;
}
