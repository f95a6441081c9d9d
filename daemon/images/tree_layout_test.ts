import {
  findStreamImage,
  imagesOf,
  mirrorPaths,
  mirrorsOf,
  productPaths,
} from "#api/simplestreams.ts";
import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import {
  addVersion,
  indexFile,
  MIRRORS_PATH,
  mirrorsFile,
  placeOf,
  productsFile,
  prune,
  type TreeProducts,
  type TreeVersion,
} from "./tree_layout.ts";

const IMAGE = {
  fingerprint: "f".repeat(64),
  architecture: "x86_64",
  properties: { os: "Debian", release: "bookworm", variant: "cloud" },
  createdAt: "2026-01-02T03:04:05Z",
  aliases: ["mine"],
};

function version(letter: string): TreeVersion {
  const item = (ftype: string) => ({
    ftype,
    path: `${letter}/${ftype}`,
    sha256: letter.repeat(64),
    size: 1,
  });
  const meta = { ...item("lxd.tar.xz"), combined_squashfs_sha256: letter.repeat(64) };
  return { items: { "lxd.tar.xz": meta, squashfs: item("squashfs") } };
}

Deno.test("placeOf() names product, folder, version and aliases after the properties", () => {
  assert.deepEqual(placeOf(IMAGE), {
    key: "debian:bookworm:amd64:cloud",
    folder: "images/debian/bookworm/amd64/cloud/20260102_03-04",
    serial: "20260102_03:04",
    product: {
      aliases: "mine,debian/bookworm/cloud",
      arch: "amd64",
      os: "Debian",
      release: "bookworm",
      release_title: "bookworm",
      variant: "cloud",
    },
  });
});

Deno.test("placeOf() never leaves the tree, whatever the properties say", () => {
  const properties = { os: "../../etc", release: "..", variant: "/", serial: "20260101_/../x" };

  const { folder } = placeOf({ ...IMAGE, properties });

  assert.ok(folder.split("/").every((part) => part !== "" && !part.startsWith(".")), folder);
});

Deno.test("placeOf() wants to know the os", () => {
  assert.throws(() => placeOf({ ...IMAGE, properties: {} }), Fault);
});

Deno.test("a tree is what the reader of such trees understands", () => {
  const products = addVersion({}, placeOf(IMAGE), version("a"));

  const images = imagesOf(JSON.parse(JSON.stringify(productsFile(products))));

  assert.deepEqual(productPaths(indexFile(products, false)), ["streams/v1/images.json"]);
  const wish = { architecture: "amd64", type: "container" };
  assert.equal(findStreamImage(images, { ...wish, name: "mine" })?.fingerprint[0], "a");
  assert.equal(images[0]?.createdAt, "2026-01-02T03:04:00Z");
});

Deno.test("a tree's mirrors are those that the reader of such trees finds", () => {
  const mirrors = ["https://one", "https://two/images"];

  assert.deepEqual(mirrorPaths(indexFile({}, true)), [MIRRORS_PATH]);
  assert.deepEqual(mirrorPaths(indexFile({}, false)), []);
  assert.deepEqual(mirrorsOf(mirrorsFile(mirrors)), mirrors);
});

Deno.test("prune() keeps the newest versions of each product and names the files of the others", () => {
  let products: TreeProducts = {};
  for (const [serial, letter] of [["20260101", "a"], ["20260103", "c"], ["20260102", "b"]]) {
    const properties = { ...IMAGE.properties, serial: serial ?? "" };
    products = addVersion(products, placeOf({ ...IMAGE, properties }), version(letter ?? ""));
  }

  const result = prune(products, 2);

  const [product] = Object.values(result.products);
  assert.deepEqual(Object.keys(product?.versions ?? {}), ["20260102", "20260103"]);
  assert.deepEqual(result.gone, ["a/lxd.tar.xz", "a/squashfs"]);
});
