/** lxd image tree: images of a server become a static tree that any LXD can use as an image server. */
import type { Client } from "#api/client.ts";
import type { ImageObject } from "#api/routes/images.ts";
import { INDEX_PATH, mirrorsOf } from "#api/simplestreams.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { readIfThere, removeIfThere } from "#daemon/host/files.ts";
import { Readable } from "node:stream";
import { compressionOf } from "./compression.ts";
import { hashFiles, receiveImage } from "./store.ts";
import {
  addVersion,
  indexFile,
  MIRRORS_PATH,
  mirrorsFile,
  type Placed,
  placeOf,
  PRODUCTS_PATH,
  productsFile,
  prune,
  type TreeItem,
  type TreeProducts,
  type TreeVersion,
} from "./tree_layout.ts";

export interface TreeOptions {
  readonly directory: string;
  readonly images: readonly { readonly client: Client; readonly fingerprint: string }[];
  /** More names for the images. */
  readonly aliases: readonly string[];
  /** Versions to keep of each product; 0: all. */
  readonly keep: number;
  /** Where else the tree lies, from now on; none: as before. */
  readonly mirrors: readonly string[];
  readonly say: (text: string) => void;
}

/** @throws {Fault} if an image can't be placed, or isn't what its fingerprint says. */
export async function makeTree(options: TreeOptions): Promise<void> {
  const { directory, say } = options;
  let products = await readProducts(directory);
  for (const { client, fingerprint } of options.images) {
    const image = await client.get<ImageObject>(`/1.0/images/${fingerprint}`);
    const placed = placeOf({
      fingerprint: image.fingerprint,
      architecture: image.architecture,
      properties: image.properties,
      createdAt: image.created_at,
      aliases: [...image.aliases.map(({ name }) => name), ...options.aliases],
    });
    const version = await addFiles(directory, placed, { client, image });
    products = addVersion(products, placed, version);
    say(`Added ${placed.key} ${placed.serial}`);
  }
  let gone: string[] = [];
  if (options.keep > 0) ({ products, gone } = prune(products, options.keep));
  await writeJson(`${directory}/${PRODUCTS_PATH}`, productsFile(products));
  const mirrors = options.mirrors.length > 0 ? options.mirrors : await namedMirrors(directory);
  if (mirrors.length > 0) await writeJson(`${directory}/${MIRRORS_PATH}`, mirrorsFile(mirrors));
  await writeJson(`${directory}/${INDEX_PATH}`, indexFile(products, mirrors.length > 0));
  // Only now nobody is told of them any more.
  for (const path of gone) {
    await removeIfThere(`${directory}/${path}`);
    say(`Removed ${path}`);
  }
}

async function namedMirrors(directory: string): Promise<string[]> {
  const value = await readJson(`${directory}/${MIRRORS_PATH}`);
  return value === undefined ? [] : mirrorsOf(value);
}

/** undefined if it is not there. */
async function readJson(path: string): Promise<unknown> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : JSON.parse(text);
}

async function readProducts(directory: string): Promise<TreeProducts> {
  const value = await readJson(`${directory}/${PRODUCTS_PATH}`);
  if (value === undefined) return {};
  if (typeof value === "object" && value !== null && "products" in value) {
    const { products } = value;
    if (typeof products === "object" && products !== null) return products as TreeProducts;
  }
  throw new Fault("bad_request", `"${directory}/${PRODUCTS_PATH}" is no list of products`);
}

/** Fetch the files into the tree, each complete before it gets its name. */
async function addFiles(
  directory: string,
  { folder }: Placed,
  { client, image }: { client: Client; image: ImageObject },
): Promise<TreeVersion> {
  const target = `${directory}/${folder}`;
  await Deno.mkdir(target, { recursive: true });
  await using work = await temporaryFolder(target);
  const reply = await client.download(`/1.0/images/${image.fingerprint}/export`);
  const received = await receiveImage({
    contentType: reply.headers["content-type"] ?? "",
    filename: "",
    body: Readable.from(copies(reply.body)),
  }, work.path);
  if (received.fingerprint !== image.fingerprint) {
    throw new Fault("unavailable", `the image ${image.fingerprint} arrived damaged`);
  }
  const { meta, rootfs, fingerprint } = received;
  const place = async (file: HostPath, ftype: string, name: string): Promise<TreeItem> => {
    const { hash, size } = await hashFiles([file]);
    await Deno.chmod(file, 0o644);
    await Deno.rename(file, `${target}/${name}`);
    return { ftype, path: `${folder}/${name}`, sha256: hash, size };
  };
  if (rootfs === undefined) {
    const item = await place(meta, "lxd_combined.tar.gz", "lxd_combined.tar.gz");
    await writeSums(target, [item]);
    return { items: { [item.ftype]: item } };
  }
  const isSquashfs = await compressionOf(rootfs) === "squashfs";
  const root = isSquashfs
    ? await place(rootfs, "squashfs", "rootfs.squashfs")
    : await place(rootfs, "root.tar.xz", "rootfs.tar.xz");
  const plain = await place(meta, "lxd.tar.xz", "lxd.tar.xz");
  const combined: TreeItem = isSquashfs
    ? { ...plain, combined_squashfs_sha256: fingerprint }
    : { ...plain, combined_sha256: fingerprint, combined_rootxz_sha256: fingerprint };
  await writeSums(target, [combined, root]);
  return { items: { [combined.ftype]: combined, [root.ftype]: root } };
}

/** For sha256sum -c. */
async function writeSums(target: string, items: readonly TreeItem[]): Promise<void> {
  const lines = items.map(({ sha256, path }) => `${sha256}  ${path.split("/").at(-1)}\n`);
  await Deno.writeTextFile(`${target}/SHA256SUMS`, lines.join(""));
}

async function temporaryFolder(parent: string) {
  const path = hostPath(await Deno.makeTempDir({ dir: parent, prefix: ".new-" }));
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function* copies(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield piece.slice();
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(value, null, 1) + "\n");
  await Deno.rename(`${path}.new`, path);
}
