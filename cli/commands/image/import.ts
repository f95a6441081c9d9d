/** image import: files, a folder or a URL become an image. */
import type { Headers1, RequestBody } from "#api/http1.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { piecesOf } from "#cli/commands/file/transfer.ts";
import { setAliases } from "./lookup.ts";

export const IMAGE_IMPORT: Command = command({
  name: "image import",
  usage: "<tarball>|<directory>|<URL> [<rootfs tarball>] [<remote>:] [key=value...]",
  summary: "Import images into the image store",
  description: "Directory import is only available on Linux and must be performed as root.",
  flags: {
    alias: { kind: "list", summary: "New aliases to add to the image" },
    public: { kind: "bool", summary: "Make image public" },
  },
  args: [1, Infinity],
  async run(context, words, flags) {
    const { files, remote, properties } = splitImport(words, exists);
    const [image = "", rootfs] = files;
    const { client, name } = context.resource(remote);
    if (name !== "") throw new UsageError(`Invalid remote "${remote}"`);
    if (image.startsWith("http://")) {
      throw new Error("Only https:// is supported for remote image import");
    }
    if (image.startsWith("https://")) {
      const operation = await context.operate(client, "POST", "/1.0/images", {
        title: "Importing the image",
        json: {
          properties,
          public: flags.public,
          source: { type: "url", mode: "pull", protocol: "direct", url: image },
        },
      });
      return await imported(context, remote, flags.alias, operation.metadata);
    }
    using packed = isDirectory(image) ? packDirectory(image) : undefined;
    using upload = openUpload(context, packed?.file ?? image, rootfs);

    const operation = await context.operate(client, "POST", "/1.0/images", {
      title: "Importing the image",
      headers: { ...upload.headers, ...imageHeaders(properties, flags.public) },
      body: upload.body,
    });
    await imported(context, remote, flags.alias, operation.metadata);
  },
});

async function imported(
  context: Context,
  remote: string,
  aliases: readonly string[],
  metadata: Readonly<Record<string, unknown>> | null,
): Promise<void> {
  const fingerprint = String(metadata?.fingerprint ?? "");
  context.out.line(`Image imported with fingerprint: ${fingerprint}`);
  await setAliases(context.resource(remote).client, aliases, fingerprint);
}

function imageHeaders(properties: Readonly<Record<string, string>>, isPublic: boolean): Headers1 {
  const headers: Record<string, string> = {};
  if (isPublic) headers["X-LXD-public"] = "true";
  const text = new URLSearchParams(properties).toString();
  if (text !== "") headers["X-LXD-properties"] = text;
  return headers;
}

/** Files come in their order, the remote and the properties stand anywhere after the first. */
function splitImport(
  [first = "", ...words]: readonly string[],
  isFile: (path: string) => boolean,
): { files: string[]; remote: string; properties: Record<string, string> } {
  const files = [first];
  let remote = "";
  const properties: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals >= 0 && !isFile(word)) properties[word.slice(0, equals)] = word.slice(equals + 1);
    else if (word.endsWith(":") && !isFile(word)) remote = word;
    else files.push(word);
  }
  if (files.length > 2) throw new UsageError("Invalid number of arguments");
  return { files, remote, properties };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false; // Ignored: whatever the reason, it can't be read as a file.
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Ignored: whoever opens it says why it can't.
  }
}

/** An unpacked image as a tarball, which goes away with the result. */
function packDirectory(directory: string): Disposable & { readonly file: string } {
  const folder = Deno.makeTempDirSync({ prefix: "lxd_image_" });
  const remove = () => Deno.removeSync(folder, { recursive: true });
  const file = `${folder}/image.tar.xz`;
  try {
    if (Deno.uid() !== 0) throw new Error("Must run as root to import from directory");
    const parts = ["metadata.yaml", "rootfs", "templates"]
      .filter((part) => part !== "templates" || exists(`${directory}/${part}`));
    const { success, stderr } = new Deno.Command("tar", {
      args: ["-C", directory, "--numeric-owner", "--xattrs", "-cJf", file, "--", ...parts],
      env: { LC_ALL: "C", XZ_DEFAULTS: "-T0 -1" },
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    if (!success) {
      const reason = new TextDecoder().decode(stderr).trim().split("\n").at(0) ?? "";
      throw new Error(`cannot pack the image "${directory}": ${reason}`);
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { file, [Symbol.dispose]: remove };
}

interface Upload extends Disposable {
  readonly headers: Headers1;
  readonly body: RequestBody;
}

const baseName = (path: string) => path.split("/").at(-1) ?? "";

function openUpload(context: Context, image: string, rootfs: string | undefined): Upload {
  const files = new DisposableStack();
  const open = (path: string) => {
    if (path === "-") return { source: Deno.stdin, size: undefined };
    const source = files.use(Deno.openSync(path));
    return { source, size: source.statSync().size };
  };
  try {
    const meta = open(image);
    if (rootfs === undefined) {
      return {
        headers: { "Content-Type": "application/octet-stream", "X-LXD-filename": baseName(image) },
        body: {
          stream: withProgress(context, piecesOf(meta.source), meta.size),
          length: meta.size,
        },
        [Symbol.dispose]: () => files.dispose(),
      };
    }
    const root = open(rootfs);
    const boundary = crypto.randomUUID();
    const isDisk = rootfs.endsWith(".img") || rootfs.endsWith(".qcow2");
    const heads = [
      part(boundary, "metadata", baseName(image)),
      `\r\n${part(boundary, isDisk ? "rootfs.img" : "rootfs", baseName(rootfs))}`,
      `\r\n--${boundary}--\r\n`,
    ].map((text) => new TextEncoder().encode(text));
    const known = meta.size === undefined || root.size === undefined
      ? undefined
      : heads.reduce((sum, { length }) => sum + length, meta.size + root.size);
    const stream = interleave(heads, [piecesOf(meta.source), piecesOf(root.source)]);
    return {
      headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
      body: { stream: withProgress(context, stream, known), length: known },
      [Symbol.dispose]: () => files.dispose(),
    };
  } catch (error) {
    files.dispose();
    throw error;
  }
}

function part(boundary: string, name: string, file: string): string {
  const quoted = file.replaceAll('"', "%22").replaceAll(/[\r\n]/g, "_");
  return `--${boundary}\r\n` +
    `Content-Disposition: form-data; name="${name}"; filename="${quoted}"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
}

async function* interleave(
  heads: readonly Uint8Array[],
  bodies: readonly AsyncIterable<Uint8Array>[],
): AsyncGenerator<Uint8Array> {
  for (const [index, head] of heads.entries()) {
    yield head;
    const body = bodies[index];
    if (body !== undefined) yield* body;
  }
}

async function* withProgress(
  context: Context,
  pieces: AsyncIterable<Uint8Array>,
  size: number | undefined,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const piece of pieces) {
    yield piece;
    sent += piece.length;
    const share = size ? `${Math.floor(sent / size * 100)}%` : siBytes(sent);
    context.out.progress(`Transferring image: ${share}`);
  }
}
