/** Our daemon and Debian's LXD 5.0.2, set up alike, asked the same things. */
import { type Answer, type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { emptyImage } from "#tests/fakes/image.ts";

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

/** How a request ended; that of an operation counts, if it opened one. */
export interface Outcome {
  readonly status: number;
  readonly error: string;
}

export const SIDES = ["ours", "LXD"] as const;
export type Side = typeof SIDES[number];
export type Pair<T> = Readonly<Record<Side, T>>;

const OK = 200;

async function both<T>(make: (side: Side) => Promise<T>): Promise<Pair<T>> {
  const [ours, LXD] = await Promise.all([make("ours"), make("LXD")]);
  return { ours, LXD };
}

export class Twins implements AsyncDisposable {
  private constructor(readonly daemons: Pair<TestDaemon>, readonly apis: Pair<Api>) {}

  /** With a pool `pool`, a bridge `twinbr0`, a profile `p`, an empty image `img`, an instance `c`. */
  static async start(): Promise<Twins> {
    const daemons = await both((side) => TestDaemon.start(side === "ours" ? OURS : DEBIAN));
    const apis = await both(async (side) => await apiOf(daemons[side]));
    const twins = new Twins(daemons, apis);
    try {
      await both((side) => setUp(apis[side]));
    } catch (error) {
      await twins[Symbol.asyncDispose]();
      throw error;
    }
    return twins;
  }

  async ask({ method, path, body }: Request): Promise<Pair<Outcome>> {
    return await both((side) => outcome(this.apis[side], { method, path, body }));
  }

  /** A request that must succeed on both. */
  async do(method: string, path: string, body?: unknown): Promise<void> {
    await both((side) => this.apis[side].do(method, path, body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await both((side) => this.daemons[side][Symbol.asyncDispose]());
  }
}

async function setUp(api: Api): Promise<void> {
  await api.do("POST", "/1.0/storage-pools", { name: "pool", driver: "dir", config: {} });
  await api.do("POST", "/1.0/networks", {
    name: "twinbr0",
    config: { "ipv4.address": "10.247.1.1/24", "ipv6.address": "fd42:247::1/64" },
  });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "pool" } },
  });
  await api.do("POST", "/1.0/profiles", { name: "p" });
  const { fingerprint } = await api.do("POST", "/1.0/images", undefined, { raw: emptyImage() });
  const source = { type: "image", fingerprint };
  await api.do("POST", "/1.0/instances", { name: "c", source });
}

async function outcome(api: Api, request: Request): Promise<Outcome> {
  const answer: Answer = await api.ask(request.method, request.path, request.body);
  if (answer.status >= 400) return { status: answer.status, error: answer.body?.error ?? "" };
  if (answer.status !== 202) return { status: OK, error: "" };
  const ended = await api.get(`${answer.body.operation}/wait?timeout=60`);
  return { status: ended.status_code, error: ended.err };
}
