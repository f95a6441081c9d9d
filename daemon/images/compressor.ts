/** Programs that compress published images; all cores where the format allows it. Pure. */
import { Fault } from "#base/errors.ts";

export type Compressor =
  | { readonly kind: "none" }
  /** For tar's -I: the archive goes through it. */
  | { readonly kind: "filter"; readonly command: string }
  /** Makes the file itself: the last argument is its name, the archive comes by standard input. */
  | { readonly kind: "archiver"; readonly argv: readonly string[] };

const FILTERS: Readonly<Record<string, string>> = {
  gzip: "gzip",
  bzip2: "bzip2",
  lzma: "xz --format=lzma",
  xz: "xz -T0",
  zstd: "zstd -T0",
};

const NAMES = ["none", "squashfs", ...Object.keys(FILTERS)];

/** Options that choose how hard to try; none that names a file or another program. */
const OPTION = /^(-\d{1,2}|--ultra|--rsyncable|--long(=\d+)?|--fast(=\d+)?|-T\d+|--best|-e)$/;

/** @param text "zstd", "gzip -9". @throws {Fault} bad_request */
export function compressorOf(text: string): Compressor {
  const [name = "", ...options] = text.trim().split(/\s+/);
  if (!NAMES.includes(name)) {
    throw new Fault("bad_request", `Compression tool not found for algorithm "${name}"`, {
      hint: `Known: ${NAMES.join(", ")}.`,
    });
  }
  const wrong = options.find((option) => !OPTION.test(option));
  if (wrong !== undefined || (options.length > 0 && FILTERS[name] === undefined)) {
    throw new Fault(
      "bad_request",
      `cannot compress by "${text}": "${wrong ?? options[0]}" is no ` +
        "level of compression",
      { hint: 'For example "zstd -19" or "gzip -9".' },
    );
  }
  if (name === "none") return { kind: "none" };
  if (name === "squashfs") {
    return { kind: "archiver", argv: ["sqfstar", "-quiet", "-no-progress"] };
  }
  return { kind: "filter", command: [FILTERS[name], ...options].join(" ") };
}

/** The command that compresses a stream; undefined: none. @throws {Fault} bad_request */
export function filterOf(text: string): string | undefined {
  const compressor = compressorOf(text);
  if (compressor.kind === "archiver") {
    throw new Fault("bad_request", `cannot compress a stream by "${text}"`, {
      hint: `Known: none, ${Object.keys(FILTERS).join(", ")}.`,
    });
  }
  return compressor.kind === "none" ? undefined : compressor.command;
}
