/**
 * Image servers that speak simplestreams: what their index and product files say, as images and
 * aliases. Pure: the caller fetches. @see https://launchpad.net/simplestreams
 */
import { wireTime } from "#base/time.ts";

export const INDEX_PATH = "streams/v1/index.json";
export const MIRRORS_FORMAT = "mirrors:1.0";

export interface StreamFile {
  /** Below the server's URL. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly size: number;
}

export interface StreamImage {
  readonly fingerprint: string;
  readonly type: "container" | "virtual-machine";
  /** As the server calls it: "amd64". */
  readonly architecture: string;
  readonly properties: Readonly<Record<string, string>>;
  /** Names that the product has, without an architecture. */
  readonly names: readonly string[];
  readonly filename: string;
  readonly size: number;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly meta: StreamFile;
  /** undefined: `meta` is the whole image. */
  readonly rootfs: StreamFile | undefined;
}

export interface StreamAlias {
  readonly name: string;
  readonly type: StreamImage["type"];
  readonly description: string;
  readonly target: string;
}

interface Item {
  readonly ftype: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly combined: Readonly<Record<string, string>>;
}

/** Kinds of root files, the preferred first, with the keys of the metadata's combined hash. */
const ROOTS: readonly {
  readonly ftype: string;
  readonly type: StreamImage["type"];
  readonly hashes: readonly string[];
}[] = [
  { ftype: "squashfs", type: "container", hashes: ["combined_squashfs_sha256"] },
  {
    ftype: "root.tar.xz",
    type: "container",
    hashes: ["combined_rootxz_sha256", "combined_sha256"],
  },
  {
    ftype: "disk-kvm.img",
    type: "virtual-machine",
    hashes: ["combined_disk-kvm-img_sha256"],
  },
  { ftype: "uefi1.img", type: "virtual-machine", hashes: ["combined_uefi1-img_sha256"] },
  { ftype: "disk1.img", type: "virtual-machine", hashes: ["combined_disk1-img_sha256"] },
];

/** Paths of the product files that the index names. @throws if it is no index. */
export function productPaths(index: unknown): string[] {
  const entries = Object.values(recordOf(recordOf(index, "the index")["index"], "its entries"));
  return entries.flatMap((entry) => {
    const { datatype, path, products } = recordOf(entry, "an entry of the index");
    const isImages = datatype === "image-downloads" && Array.isArray(products);
    return isImages && products.length > 0 && typeof path === "string" ? [path] : [];
  });
}

/**
 * Paths of the files that name mirrors of the product files. The format is that of Juju's streams:
 * the index has references to them, by the name of the entry that is mirrored.
 */
export function mirrorPaths(index: unknown): string[] {
  const entries = Object.values(recordOf(recordOf(index, "the index")["mirrors"] ?? {}, "mirrors"));
  const paths = entries.flatMap((files) => listOf(files)).flatMap((file) => {
    const { format, path } = recordOf(file, "a reference to mirrors");
    return format === MIRRORS_FORMAT && typeof path === "string" ? [path] : [];
  });
  return [...new Set(paths)];
}

/** Base URLs of the mirrors that such a file names, https alone. @throws if it is none. */
export function mirrorsOf(file: unknown): string[] {
  const entries = Object.values(recordOf(recordOf(file, "the file")["mirrors"], "mirrors"));
  const bases = entries.flatMap((mirrors) => listOf(mirrors)).map((one) =>
    text(recordOf(one, "a mirror")["mirror"]).replace(/\/+$/, "")
  );
  return [...new Set(bases.filter((base) => base.startsWith("https://") && URL.canParse(base)))];
}

/** Every image of a product file, the newest of each product first. @throws if it is none. */
export function imagesOf(file: unknown): StreamImage[] {
  const products = recordOf(recordOf(file, "the product file")["products"], "its products");
  return Object.values(products).flatMap((value) => {
    const product = recordOf(value, "a product");
    const versions = Object.entries(recordOf(product["versions"] ?? {}, "versions of a product"));
    return versions.toSorted(([a], [b]) => a < b ? 1 : -1)
      .flatMap(([serial, version]) => imagesOfVersion(product, serial, recordOf(version, serial)));
  });
}

function imagesOfVersion(
  product: Readonly<Record<string, unknown>>,
  serial: string,
  version: Readonly<Record<string, unknown>>,
): StreamImage[] {
  const createdAt = timeOf(serial);
  if (createdAt === undefined) return [];
  const items = Object.values(recordOf(version["items"] ?? {}, "items")).map(itemOf);
  const make = (meta: Item, rootfs: Item | undefined, fingerprint: string) => ({
    ...describe(product, { serial, label: text(version["label"]), kind: rootfs?.ftype ?? "" }),
    fingerprint,
    filename: meta.path.split("/").at(-1) ?? "",
    size: meta.size + (rootfs?.size ?? 0),
    createdAt,
    meta,
    rootfs,
  });
  const images: StreamImage[] = [];
  for (const meta of items) {
    if (meta.ftype === "lxd_combined.tar.gz") {
      images.push({ ...make(meta, undefined, meta.sha256), type: "container" });
    }
    if (!["lxd.tar.xz", "incus.tar.xz"].includes(meta.ftype)) continue;
    for (const { ftype, type, hashes } of ROOTS) {
      const rootfs = items.find((item) => item.ftype === ftype);
      const fingerprint = hashes.map((key) => meta.combined[key]).find((hash) => hash);
      if (rootfs !== undefined && fingerprint !== undefined) {
        images.push({ ...make(meta, rootfs, fingerprint), type });
      }
    }
  }
  return images;
}

function describe(
  product: Readonly<Record<string, unknown>>,
  { serial, label, kind }: { serial: string; label: string; kind: string },
) {
  const [architecture, os, release] = ["arch", "os", "release"].map((key) => text(product[key]));
  const title = text(product["release_title"]) || release;
  const shownLabel = label === "" ? "" : ` (${label})`;
  const fields = {
    architecture,
    description: `${os} ${title} ${architecture}${shownLabel} (${serial})`,
    label,
    os,
    release,
    serial,
    type: kind,
    variant: text(product["variant"]),
    version: text(product["version"]),
  };
  const properties = Object.entries(fields).filter(([, value]) => value !== "") as [
    string,
    string,
  ][];
  const needs = Object.entries(recordOf(product["lxd_requirements"] ?? {}, "lxd_requirements"));
  for (const [key, value] of needs) properties.push([`requirements.${key}`, text(value)]);
  return {
    architecture: architecture ?? "",
    properties: Object.fromEntries(properties),
    names: text(product["aliases"]).split(",").map((one) => one.trim()).filter((one) => one),
    expiresAt: timeOf(text(product["support_eol"]).replaceAll("-", "")) ?? "",
  };
}

function itemOf(value: unknown): Item {
  const item = recordOf(value, "an item");
  const combined = Object.entries(item).filter(([key]) => key.startsWith("combined_"));
  return {
    ftype: text(item["ftype"]),
    path: text(item["path"]),
    sha256: text(item["sha256"]).toLowerCase(),
    size: Number(item["size"] ?? 0) || 0,
    combined: Object.fromEntries(combined.map(([key, hash]) => [key, text(hash).toLowerCase()])),
  };
}

/** "20231201", "20231201_07:42", "20231201.1" -> ISO; undefined for anything else. */
function timeOf(serial: string): string | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:_(\d\d):(\d\d))?/.exec(serial);
  if (match === null) return undefined;
  const [, year, month, day, hour = "00", minute = "00"] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
  return Number.isNaN(date.getTime()) ? undefined : wireTime(date);
}

/**
 * One alias per name for machines of `architecture`, and one with the architecture behind it; the
 * newest image has it.
 */
export function aliasesOf(images: readonly StreamImage[], architecture: string): StreamAlias[] {
  const aliases = new Map<string, StreamAlias>();
  for (const image of images) {
    const { type, fingerprint: target } = image;
    for (const name of namesOf(image, architecture)) {
      const key = `${type} ${name}`;
      if (!aliases.has(key)) {
        aliases.set(key, {
          name,
          type,
          description: image.properties["description"] ?? "",
          target,
        });
      }
    }
  }
  return [...aliases.values()];
}

/** All names of an image, whether it is the newest or not. */
export function namesOf(image: StreamImage, architecture: string): string[] {
  return image.names.flatMap((name) => {
    const long = `${name}/${image.architecture}`;
    return image.architecture === architecture ? [name, long] : [long];
  });
}

/** The newest image of that name or with that start of a fingerprint. */
export function findStreamImage(
  images: readonly StreamImage[],
  wish: { readonly name: string; readonly architecture: string; readonly type: string },
): StreamImage | undefined {
  const { name, architecture, type } = wish;
  const fitting = images.filter((image) => image.type === type);
  const named = newest(fitting.filter((image) => namesOf(image, architecture).includes(name)));
  if (named !== undefined || !/^[0-9a-f]+$/.test(name)) return named;
  return fitting.find(({ fingerprint }) => fingerprint.startsWith(name));
}

function newest(images: readonly StreamImage[]): StreamImage | undefined {
  return images.reduce<StreamImage | undefined>(
    (best, one) => best === undefined || one.createdAt > best.createdAt ? one : best,
    undefined,
  );
}

/** What an image server calls this machine's architecture. */
export function streamArchitecture(kernelName: string): string {
  const names: Readonly<Record<string, string>> = {
    x86_64: "amd64",
    i686: "i386",
    aarch64: "arm64",
    armv7l: "armhf",
    ppc64le: "ppc64el",
  };
  return names[kernelName] ?? kernelName;
}

const listOf = (value: unknown): readonly unknown[] => Array.isArray(value) ? value : [];

function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function recordOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error(`the image server's ${what} is not an object`);
}
