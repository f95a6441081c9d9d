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

/** Where a file on a pool is in the mounts of its server. @param path The pool first. */
export function onPool({ daemon }: Server, path: string): string {
  return `${daemon.directory}/storage-pools/${path}`;
}

/** A program in the mounts of a server. @returns what it prints */
export function inMountsOf({ daemon }: Server, ...argv: string[]): Promise<string> {
  return must(["nsenter", "-t", `${daemon.pid}`, "-m", "--", ...argv]);
}

/** Write a word to a file on a pool, as the server sees it. */
export async function writeOnPool(server: Server, path: string, word: string): Promise<void> {
  await inMountsOf(server, "sh", "-c", `echo ${word} >"$0"`, onPool(server, path));
}

/** Trimmed. */
export async function readOnPool(server: Server, path: string): Promise<string> {
  return (await inMountsOf(server, "cat", onPool(server, path))).trim();
}

/** From one server to the other; both ways, ours first. */
export interface Way {
  readonly from: "us" | "deb";
  readonly source: Server;
  readonly to: "us" | "deb";
  readonly target: Server;
}

export function bothWays({ ours, theirs }: TwoServers): readonly Way[] {
  return [
    { from: "us", source: ours, to: "deb", target: theirs },
    { from: "deb", source: theirs, to: "us", target: ours },
  ];
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

/** Both servers with the image "tiny", and our client, which both trust. @param folder For its files. */
export async function startTwoWithClient(
  folder: string,
  driver?: string,
): Promise<{ readonly servers: TwoServers; readonly client: Client }> {
  const servers = await startTwoServers(driver);
  await buildImage(servers.ours);
  const client = await trustedClient(servers, OURS.lxc, folder);
  await client.lxc("image", "copy", "us:tiny", "deb:", "--copy-aliases");
  return { servers, client };
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
