/** Trees through a channel: rsync(1) on both ends, its protocol between them. */
import { type HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { type Channel, endStream, stream } from "./channel.ts";
import { isFalse } from "#base/units.ts";
import type { Pool } from "#daemon/db/storage_pools.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import type { RsyncFeature } from "./proto.ts";

const COMMON = ["--numeric-ids", "--devices", "--partial", "--sparse"];

function featureArgs(features: readonly RsyncFeature[]): string[] {
  return [
    ...features.includes("xattrs") ? ["--xattrs", "--filter=-x security.selinux"] : [],
    ...features.includes("delete") ? ["--delete"] : [],
    ...features.includes("compress") ? ["--compress", "--compress-level=2"] : [],
  ];
}

/** How a pool wants its volumes to be sent. */
export interface Rate {
  /** rsync.compression */
  readonly isCompressed: boolean;
  /** rsync.bwlimit, as rsync's own option; "": none. */
  readonly limit: string;
}

/** Of the pool's rsync.*; `limit` as rsync(1) takes it for --bwlimit, "" for none. */
export function rateOf({ config }: Pick<Pool, "config">): Rate {
  return {
    isCompressed: !isFalse(config["rsync.compression"]),
    limit: config["rsync.bwlimit"] ?? "",
  };
}

export interface TreeOptions {
  readonly features: readonly RsyncFeature[];
  readonly signal: AbortSignal;
}

/** Write what the other side sends into `directory`. @throws {Fault} no_space, unavailable */
export async function receiveTree(
  channel: Channel,
  directory: HostPath,
  { features, signal }: TreeOptions,
): Promise<void> {
  const child = new Deno.Command("rsync", {
    args: [
      "--server",
      "-vlogDtpre.iLsfx",
      // This side compares: times differ if their nanoseconds do.
      "--modify-window=-1",
      ...COMMON,
      ...featureArgs(features),
      ".",
      `${directory}/`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
    signal,
  }).spawn();
  const complaint = new Response(child.stderr).text();
  const writer = child.stdin.getWriter();
  await converse(channel, { child, complaint }, {
    output: child.stdout,
    write: (bytes) => writer.write(bytes),
    end: () => writer.close(),
  });
}

/** A directory that only root can enter, for the sockets of `sendTree`; a socket's path is short. */
export async function socketFolder(
  paths: Paths,
): Promise<{ readonly path: HostPath } & AsyncDisposable> {
  const path = paths.at(`m${crypto.randomUUID().slice(0, 8)}`);
  await Deno.mkdir(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/**
 * Send the content of `directory`. rsync talks to a program that it starts itself: this program's
 * `netcat`, which leads to a socket of the daemon.
 *
 * @param exclude Patterns of what stays here.
 */
export async function sendTree(
  channel: Channel,
  directory: HostPath,
  options: TreeOptions & {
    /** @see socketFolder */
    readonly workspace: HostPath;
    readonly exclude: readonly string[];
    readonly rate: Rate;
  },
): Promise<void> {
  const { features, signal, workspace, exclude, rate } = options;
  const path = `${workspace}/s`;
  using listener = Deno.listen({ transport: "unix", path });
  const child = new Deno.Command("rsync", {
    args: [
      "-ar",
      ...COMMON,
      ...featureArgs(features),
      ...rate.limit === "" ? [] : [`--bwlimit=${rate.limit}`],
      ...exclude.map((pattern) => `--exclude=${pattern}`),
      `${directory}/`,
      "localhost:/tmp/foo",
      "-e",
      // The shell drops what rsync adds: host and command of the other side.
      `sh -c 'exec "${Deno.execPath()}" netcat "${path}"'`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
    signal,
  }).spawn();
  const complaint = new Response(child.stderr).text();
  try {
    const failed = child.status.then(async () => {
      throw new Fault("unavailable", `rsync ended before it began: ${await complaint}`);
    });
    failed.catch(() => undefined); // Only the first to come counts.
    using connection = await Promise.race([listener.accept(), failed]);

    const writer = connection.writable.getWriter();
    await converse(channel, { child, complaint }, {
      output: connection.readable,
      write: (bytes) => writer.write(bytes),
      // Only this direction: rsync still has something to say.
      end: () => connection.closeWrite(),
    });
  } finally {
    await removeIfThere(path);
  }
}

async function converse(
  channel: Channel,
  { child, complaint }: { child: Deno.ChildProcess; complaint: Promise<string> },
  { output, write, end }: {
    readonly output: ReadableStream<Uint8Array>;
    readonly write: (bytes: Uint8Array) => Promise<void>;
    readonly end: () => Promise<void>;
  },
): Promise<void> {
  const outward = (async () => {
    for await (const piece of output) await channel.send(piece);
    await endStream(channel);
  })();
  const inward = (async () => {
    for await (const piece of stream(channel)) {
      await write(piece).catch(() => undefined); // rsync may have ended: its status tells.
    }
    await end().catch(() => undefined); // Likewise.
  })();
  const ended = child.status.then(async ({ success, code }) => {
    // 24: files vanished while the instance ran.
    if (success || code === 24) return;
    const text = (await complaint).trim();
    if (/No space left|quota exceeded/i.test(text)) {
      throw new Fault("no_space", "no space left on the storage pool");
    }
    throw new Fault("unavailable", `rsync failed: ${text.slice(-500)}`);
  });
  await Promise.all([ended, outward, inward]);
}
