/** A static simplestreams tree of images: its index and product files, as data. Pure. */
import { MIRRORS_FORMAT, streamArchitecture } from "#api/simplestreams.ts";
import { Fault } from "#base/errors.ts";

export const PRODUCTS_PATH = "streams/v1/images.json";
export const MIRRORS_PATH = "streams/v1/mirrors.json";

export interface TreeItem {
  readonly ftype: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  /** Of metadata: the fingerprint of the image that it makes with the root file. */
  readonly [combined: `combined_${string}`]: string;
}

export interface TreeVersion {
  readonly items: Readonly<Record<string, TreeItem>>;
}

export interface TreeProduct {
  readonly aliases: string;
  readonly arch: string;
  readonly os: string;
  readonly release: string;
  readonly release_title: string;
  readonly variant: string;
  readonly versions: Readonly<Record<string, TreeVersion>>;
}

export type TreeProducts = Readonly<Record<string, TreeProduct>>;

/** What of an image says where it belongs. */
export interface TreeImage {
  readonly fingerprint: string;
  readonly architecture: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly aliases: readonly string[];
}

export interface Placed {
  readonly key: string;
  /** Folder of the files, below the tree. */
  readonly folder: string;
  readonly serial: string;
  readonly product: Omit<TreeProduct, "versions">;
}

/** @throws {Fault} bad_request if the image does not say what it is of. */
export function placeOf(image: TreeImage): Placed {
  const { properties } = image;
  const os = properties["os"] ?? "";
  const release = properties["release"] || properties["version"] || "current";
  if (os === "") {
    throw new Fault("bad_request", `the image ${image.fingerprint} has no property "os"`, {
      hint: "Set it: lxc image set-property IMAGE os NAME (also release, variant).",
    });
  }
  const arch = streamArchitecture(image.architecture);
  const variant = properties["variant"] || "default";
  const serial = serialOf(properties["serial"] ?? "", image.createdAt);
  const names = [os, release, arch, variant].map(nameOf);
  return {
    key: names.join(":"),
    folder: ["images", ...names, nameOf(serial)].join("/"),
    serial,
    product: {
      aliases: aliasesOf(image, { os, release, variant }).join(","),
      arch,
      os,
      release,
      release_title: properties["release_title"] || release,
      variant,
    },
  };
}

/** Servers sort by it and read its date: "20231201_0524". */
function serialOf(own: string, createdAt: string): string {
  if (/^\d{8}([_.]\S*)?$/.test(own)) return own;
  const digits = createdAt.replaceAll(/\D/g, "");
  return `${digits.slice(0, 8)}_${digits.slice(8, 10)}:${digits.slice(10, 12)}`;
}

/** One path segment, whatever the property says. */
function nameOf(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-").replace(/^\.+/, "");
  return name === "" ? "none" : name;
}

function aliasesOf(
  image: TreeImage,
  { os, release, variant }: { os: string; release: string; variant: string },
): string[] {
  const base = `${os}/${release}`.toLowerCase();
  const own = variant === "default" ? [base, `${base}/default`] : [`${base}/${variant}`];
  return [...new Set([...image.aliases, ...own])].filter((name) => !name.includes(","));
}

/** Put a version into the tree; aliases that the product had stay. */
export function addVersion(
  products: TreeProducts,
  { key, serial, product }: Placed,
  version: TreeVersion,
): TreeProducts {
  const before = products[key];
  const aliases = [before?.aliases, product.aliases].flatMap((text) => text?.split(",") ?? []);
  return {
    ...products,
    [key]: {
      ...product,
      aliases: [...new Set(aliases)].join(","),
      versions: { ...before?.versions, [serial]: version },
    },
  };
}

/** Keep the newest versions of each product. @returns also the files that nobody names any more. */
export function prune(
  products: TreeProducts,
  keep: number,
): { products: TreeProducts; gone: string[] } {
  const gone: string[] = [];
  const kept = Object.entries(products).map(([key, product]) => {
    const versions = Object.entries(product.versions).toSorted(([a], [b]) => a < b ? 1 : -1);
    for (const [, { items }] of versions.slice(keep)) {
      gone.push(...Object.values(items).map(({ path }) => path));
    }
    const rest = Object.fromEntries(versions.slice(0, keep).toReversed());
    return [key, { ...product, versions: rest }] as const;
  });
  return { products: Object.fromEntries(kept), gone };
}

/** @see simplestreams' products:1.0 */
export function productsFile(products: TreeProducts): unknown {
  return {
    content_id: "images",
    datatype: "image-downloads",
    format: "products:1.0",
    products,
  };
}

/** @param hasMirrors Names MIRRORS_PATH too, which LXD and Incus do not look at. */
export function indexFile(products: TreeProducts, hasMirrors: boolean): unknown {
  return {
    format: "index:1.0",
    index: {
      images: {
        datatype: "image-downloads",
        path: PRODUCTS_PATH,
        format: "products:1.0",
        products: Object.keys(products),
      },
    },
    ...(hasMirrors && {
      mirrors: {
        images: [{ datatype: "content-download", path: MIRRORS_PATH, format: MIRRORS_FORMAT }],
      },
    }),
  };
}

/** Other places of the same tree. @param mirrors Their base URLs. */
export function mirrorsFile(mirrors: readonly string[]): unknown {
  const each = (mirror: string) => ({ mirror, path: PRODUCTS_PATH, format: "products:1.0" });
  return { format: MIRRORS_FORMAT, mirrors: { images: mirrors.map(each) } };
}
