/** Image servers as trees of files, laid out as the public ones lay them out. */
import { emptyImage } from "#tests/fakes/image.ts";
import { createHash } from "node:crypto";
import { must } from "./run.ts";

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

export interface Tree {
  /** Of the image that "xenial" or "debian/12" means. */
  readonly fingerprint: string;
  readonly rootfs: string;
}

interface Files {
  readonly meta: Uint8Array;
  readonly squashfs: Uint8Array;
}

async function files(folder: string, description?: string, padBytes = 0): Promise<Files> {
  const meta = emptyImage(description);
  const work = await Deno.makeTempDir({ dir: folder });
  await Deno.mkdir(`${work}/root/etc`, { recursive: true });
  await Deno.writeTextFile(`${work}/root/etc/hostname`, "tree\n");
  await must(["mksquashfs", `${work}/root`, `${work}/squashfs`, "-quiet", "-no-progress"]);
  // What is behind a file system belongs to nobody.
  await Deno.truncate(`${work}/squashfs`, (await Deno.stat(`${work}/squashfs`)).size + padBytes);
  const squashfs = await Deno.readFile(`${work}/squashfs`);
  await Deno.remove(work, { recursive: true });
  return { meta, squashfs };
}

async function write(path: string, content: Uint8Array | object): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  if (content instanceof Uint8Array) return await Deno.writeFile(path, content);
  await Deno.writeTextFile(path, JSON.stringify(content));
}

const ARCH = Deno.build.arch === "x86_64" ? "amd64" : "arm64";

/** As cloud-images serves releases: several index entries, hashes of several kinds of roots. */
export async function cloudImagesTree(folder: string): Promise<Tree> {
  const { meta, squashfs } = await files(folder);
  const base = "server/releases/xenial/release-20210928";
  const name = `ubuntu-16.04-server-cloudimg-${ARCH}`;
  const fingerprint = sha256(meta, squashfs);
  const rootfs = `${base}/${name}.squashfs`;
  const products = "streams/v1/com.ubuntu.cloud:released:download.json";
  const id = `com.ubuntu.cloud:server:16.04:${ARCH}`;
  await write(`${folder}/${base}/${name}-lxd.tar.xz`, meta);
  await write(`${folder}/${rootfs}`, squashfs);
  await write(`${folder}/streams/v1/index.json`, {
    format: "index:1.0",
    index: {
      "com.ubuntu.cloud:released:aws": {
        datatype: "image-ids",
        path: "streams/v1/com.ubuntu.cloud:released:aws.json",
        products: [id],
        format: "products:1.0",
      },
      "com.ubuntu.cloud:released:download": {
        datatype: "image-downloads",
        path: products,
        products: [id],
        format: "products:1.0",
      },
    },
  });
  const item = (ftype: string, path: string, bytes: Uint8Array) => ({
    ftype,
    path,
    md5: "0",
    sha256: sha256(bytes),
    size: bytes.length,
  });
  await write(`${folder}/${products}`, {
    content_id: "com.ubuntu.cloud:released:download",
    datatype: "image-downloads",
    format: "products:1.0",
    products: {
      [id]: {
        aliases: "16.04,x,xenial,lts,default",
        arch: ARCH,
        os: "ubuntu",
        release: "xenial",
        release_codename: "Xenial Xerus",
        release_title: "16.04 LTS",
        support_eol: "2021-04-30",
        supported: true,
        version: "16.04",
        versions: {
          "20210928": {
            label: "release",
            pubname: `ubuntu-xenial-16.04-${ARCH}-server-20210928`,
            items: {
              "lxd.tar.xz": {
                ...item("lxd.tar.xz", `${base}/${name}-lxd.tar.xz`, meta),
                combined_squashfs_sha256: fingerprint,
              },
              squashfs: item("squashfs", rootfs, squashfs),
            },
          },
        },
      },
    },
  });
  return { fingerprint, rootfs };
}

/** As linuxcontainers.org serves them: variants, serials with a time. `padBytes` make it larger. */
export async function containerImagesTree(
  folder: string,
  description?: string,
  padBytes = 0,
): Promise<Tree> {
  const { meta, squashfs } = await files(folder, description, padBytes);
  const base = `images/debian/bookworm/${ARCH}/default/20231201_05:24`;
  const fingerprint = sha256(meta, squashfs);
  const rootfs = `${base}/rootfs.squashfs`;
  const id = `debian:bookworm:${ARCH}:default`;
  await write(`${folder}/${base}/lxd.tar.xz`, meta);
  await write(`${folder}/${rootfs}`, squashfs);
  await write(`${folder}/streams/v1/index.json`, {
    format: "index:1.0",
    index: {
      images: {
        datatype: "image-downloads",
        path: "streams/v1/images.json",
        format: "products:1.0",
        products: [id],
      },
    },
  });
  await write(`${folder}/streams/v1/images.json`, {
    content_id: "images",
    datatype: "image-downloads",
    format: "products:1.0",
    products: {
      [id]: {
        aliases: "debian/bookworm/default,debian/bookworm,debian/12/default,debian/12",
        arch: ARCH,
        os: "Debian",
        release: "bookworm",
        release_title: "bookworm",
        variant: "default",
        versions: {
          "20231201_05:24": {
            items: {
              "lxd.tar.xz": {
                ftype: "lxd.tar.xz",
                path: `${base}/lxd.tar.xz`,
                sha256: sha256(meta),
                size: meta.length,
                combined_squashfs_sha256: fingerprint,
              },
              "root.squashfs": {
                ftype: "squashfs",
                path: rootfs,
                sha256: sha256(squashfs),
                size: squashfs.length,
              },
            },
          },
        },
      },
    },
  });
  return { fingerprint, rootfs };
}
