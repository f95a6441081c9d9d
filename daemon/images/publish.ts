/** Pack the tree of an instance as an image. */
import { formatYaml, parseYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { readIfThere } from "#daemon/host/files.ts";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { compressorOf } from "./compressor.ts";
import { treeBytes } from "#daemon/storage/copy_tree.ts";
import { requireServerSpace } from "#daemon/storage/space.ts";
import { hashFiles } from "./store.ts";
import { packedBytes } from "./unpacked_size.ts";

export interface PackOptions {
  /** Root file system with plain ids. */
  readonly root: HostPath;
  /** Where metadata.yaml and templates/ are. */
  readonly directory: HostPath;
  readonly target: HostPath;
  readonly architecture: string;
  /** Win over those of the image that the instance was made of. */
  readonly properties: Readonly<Record<string, string>>;
  /** "zstd", "gzip -9", "squashfs", "none" */
  readonly compression: string;
  readonly signal: AbortSignal;
  /** Bytes written so far. */
  readonly progress: (bytes: number) => void;
}

export interface Packed {
  readonly file: HostPath;
  readonly fingerprint: string;
  readonly size: number;
}

/** @returns the file of the unified image. @throws {Fault} bad_request for an unknown compression */
export async function packInstance(options: PackOptions): Promise<Packed> {
  const compressor = compressorOf(options.compression);
  const staging = hostPath(`${options.target}.parts`);
  const bytes = packedBytes(await treeBytes(options.root), options.compression);
  const folder = hostPath(options.target.slice(0, options.target.lastIndexOf("/")));
  await requireServerSpace(folder, bytes, "publish the instance");
  await Deno.mkdir(staging);
  await Deno.writeTextFile(`${staging}/metadata.yaml`, await metadataOf(options));
  const templates = `${options.directory}/templates`;
  const hasTemplates = await Deno.stat(templates).then((info) => info.isDirectory, () => false);
  const tar = [
    "tar",
    "--numeric-owner",
    "--acls",
    "--xattrs",
    "--xattrs-include=user.*",
    "--xattrs-include=security.capability",
    "--transform=s,^\\./,rootfs/,S",
    "--transform=s,^\\.$,rootfs,S",
    "--warning=no-file-ignored",
    ...(compressor.kind === "filter" ? ["-I", compressor.command] : []),
    "-cf",
    "-",
    "-C",
    staging,
    "metadata.yaml",
    ...(hasTemplates ? ["-C", options.directory, "templates"] : []),
    "-C",
    options.root,
    ".",
  ];
  const into = compressor.kind === "archiver"
    ? archive(tar, compressor.argv, options)
    : write(tar, options);
  try {
    return await into;
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** The hash is taken on the way: what was written isn't read again. */
async function write(tar: readonly string[], options: PackOptions): Promise<Packed> {
  const { target: file, signal, progress } = options;
  const hash = createHash("sha256");
  let size = 0;
  await using child = spawn(tar, "null");
  const counted = Readable.fromWeb(child.stdout as never).on("data", (piece: Uint8Array) => {
    hash.update(piece);
    size += piece.length;
    progress(size);
  });
  await pipeline(counted, createWriteStream(file, { mode: 0o600 }), { signal });
  await child.succeeded();
  return { file, fingerprint: hash.digest("hex"), size };
}

/** A program that writes a file itself takes the archive from its standard input. */
async function archive(
  tar: readonly string[],
  argv: readonly string[],
  { target: file, signal, progress }: PackOptions,
): Promise<Packed> {
  await using source = spawn(tar, "null");
  await using sink = spawn([...argv, file], "piped");
  const drained = sink.stdout.pipeTo(new WritableStream());
  await source.stdout.pipeTo(sink.stdin, { signal });
  await drained;
  await source.succeeded();
  await sink.succeeded();
  const { hash, size } = await hashFiles([file]);
  progress(size);
  return { file, fingerprint: hash, size };
}

/** A program with piped output, killed unless it has ended when it is disposed. */
function spawn(argv: readonly string[], stdin: "null" | "piped") {
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, {
    args,
    stdin,
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  }).spawn();
  const stderr = new Response(child.stderr).text();
  let hasEnded = false;
  void child.status.then(() => hasEnded = true);
  return {
    stdout: child.stdout,
    get stdin() {
      return child.stdin;
    },
    async succeeded() {
      const [{ success, code }, text] = await Promise.all([child.status, stderr]);
      if (success) return;
      if (text.includes("No space left")) {
        throw new Fault("no_space", "cannot publish: no space left");
      }
      throw new ExecError(argv, code, text.slice(-500));
    },
    async [Symbol.asyncDispose]() {
      if (!hasEnded) child.kill("SIGKILL");
      await child.status;
    },
  };
}

async function metadataOf(options: PackOptions): Promise<string> {
  const text = await readIfThere(`${options.directory}/metadata.yaml`) ?? "";
  const before = (parseYaml(text) ?? {}) as Record<string, unknown>;
  const old = before["properties"];
  const properties = typeof old === "object" && old !== null ? old : {};
  return formatYaml({
    ...before,
    architecture: options.architecture,
    creation_date: Math.floor(Date.now() / 1000),
    properties: { ...properties, ...options.properties },
  });
}
