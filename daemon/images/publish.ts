/** Pack the tree of an instance as an image. */
import { formatYaml, parseYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";

export interface PackOptions {
  /** Root file system with plain ids. */
  readonly root: HostPath;
  /** Where metadata.yaml and templates/ are. */
  readonly directory: HostPath;
  readonly target: HostPath;
  readonly architecture: string;
  /** Win over those of the image that the instance was made of. */
  readonly properties: Readonly<Record<string, string>>;
  readonly compression: string;
  readonly signal: AbortSignal;
}

/** Programs that compress; all cores where the format allows it. */
const COMPRESSORS: Readonly<Record<string, string | undefined>> = {
  none: undefined,
  gzip: "gzip",
  bzip2: "bzip2",
  lzma: "xz --format=lzma",
  xz: "xz -T0",
  zstd: "zstd -T0",
};

/** Command line that compresses, undefined for "none". @throws {Fault} bad_request */
export function compressorOf(compression: string): string | undefined {
  const [algorithm = "gzip", ...rest] = compression.trim().split(/\s+/);
  if (!Object.hasOwn(COMPRESSORS, algorithm)) {
    throw new Fault("bad_request", `Compression tool not found for algorithm "${algorithm}"`, {
      hint: `Known: ${Object.keys(COMPRESSORS).join(", ")}.`,
    });
  }
  const levels = rest.filter((one) => /^-\d{1,2}$/.test(one));
  const program = COMPRESSORS[algorithm];
  return program === undefined ? undefined : [program, ...levels].join(" ");
}

/** @returns the file of the unified image. @throws {Fault} bad_request for an unknown compression */
export async function packInstance(options: PackOptions): Promise<HostPath> {
  const compressor = compressorOf(options.compression);
  const staging = hostPath(`${options.target}.parts`);
  await Deno.mkdir(staging);
  await Deno.writeTextFile(`${staging}/metadata.yaml`, await metadataOf(options));
  const templates = `${options.directory}/templates`;
  const hasTemplates = await Deno.stat(templates).then((info) => info.isDirectory, () => false);
  const { success, stderr } = await new Deno.Command("tar", {
    args: [
      "--numeric-owner",
      "--acls",
      "--xattrs",
      "--xattrs-include=user.*",
      "--xattrs-include=security.capability",
      "--transform=s,^\\./,rootfs/,S",
      "--transform=s,^\\.$,rootfs,S",
      "--warning=no-file-ignored",
      ...(compressor === undefined ? [] : ["-I", compressor]),
      "-cf",
      options.target,
      "-C",
      staging,
      "metadata.yaml",
      ...(hasTemplates ? ["-C", options.directory, "templates"] : []),
      "-C",
      options.root,
      ".",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
    signal: options.signal,
  }).output();
  options.signal.throwIfAborted();
  if (success) return options.target;
  const text = new TextDecoder().decode(stderr);
  if (text.includes("No space left")) throw new Fault("no_space", "cannot publish: no space left");
  throw new Error(`tar failed: ${text.slice(-500)}`);
}

async function metadataOf(options: PackOptions): Promise<string> {
  const text = await Deno.readTextFile(`${options.directory}/metadata.yaml`).catch(() => "");
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
