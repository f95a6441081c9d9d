/** image export: the files of an image. */
import { dispositionOf, partsOf } from "#api/multipart.ts";
import type { TransportReply } from "#api/transport.ts";
import { type Command, command } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { writePieces } from "#cli/commands/file/transfer.ts";
import { VM_FLAG } from "./flags.ts";
import { imageOf } from "./lookup.ts";

export const IMAGE_EXPORT: Command = command({
  name: "image export",
  usage: "[<remote>:]<image> [<target>]",
  summary: "Export and download images",
  description: "The output target is optional and defaults to the working directory.",
  flags: VM_FLAG,
  args: [1, 2],
  async run(context, [label = "", target = "."], { vm }) {
    const { client, fingerprint, url } = await imageOf(context, label, vm ? "virtual-machine" : "");
    const reply = await client.download(`${url}/export`);
    const files = filesOf(reply);
    if (target === "-") {
      for await (const { pieces } of files) await writePieces(pieces, Deno.stdout);
      return;
    }
    const places = placesOf(target, fingerprint, isFolder(target));
    let count = 0;
    for await (const { name, pieces } of files) {
      const isRoot = count++ > 0;
      await save(context, pieces, isRoot ? places.root(name) : places.meta(name));
    }
    context.out.say("Image exported successfully!");
  },
});

interface NamedFile {
  readonly name: string;
  readonly pieces: AsyncIterable<Uint8Array>;
}

async function* filesOf(reply: TransportReply): AsyncGenerator<NamedFile> {
  const type = reply.headers["content-type"] ?? "";
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (boundary !== undefined) {
    for await (const part of partsOf(reply.body, boundary)) {
      yield { name: fileName(dispositionOf(part, "filename")), pieces: part.pieces };
    }
    return;
  }
  const { headers, body } = reply;
  yield { name: fileName(dispositionOf({ headers, pieces: body }, "filename")), pieces: body };
}

/** Never more than one name: a server must not choose the folder. */
function fileName(name: string): string {
  const last = name.split("/").at(-1) ?? "";
  return last === "." || last === ".." ? "" : last;
}

/** A name that an archive may have: it is taken as it stands. */
const ARCHIVE = /\.(tar(\.(gz|xz|bz2|zst|lzma))?|tgz|txz|squashfs)$/;

/**
 * Where the files go: into a folder under their own names, else beside each other, with the ending
 * of what the file is unless the user gave one. Pure.
 */
export function placesOf(target: string, fingerprint: string, isFolder: boolean) {
  if (isFolder) {
    return {
      meta: (name: string) => `${target}/${name || fingerprint}`,
      root: (name: string) => `${target}/${name || `${fingerprint}.root`}`,
    };
  }
  const extensionOf = (name: string) => name.slice(`${name}.`.indexOf("."));
  return {
    meta: (name: string) => ARCHIVE.test(target) ? target : `${target}${extensionOf(name)}`,
    root: (_name: string) => `${target}.root`,
  };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Ignored: a new file.
  }
}

async function save(
  context: Context,
  pieces: AsyncIterable<Uint8Array>,
  path: string,
): Promise<void> {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });

  try {
    await writePieces(pieces, file, (bytes) => {
      context.out.progress(`Exporting the image: ${siBytes(bytes)}`);
    });
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  }
}
