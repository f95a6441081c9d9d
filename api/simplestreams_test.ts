import { CLOUD_IMAGES, CONTAINER_IMAGES, INDEX } from "#tests/fakes/streams.ts";
import assert from "node:assert/strict";
import {
  aliasesOf,
  findStreamImage,
  imagesOf,
  mirrorPaths,
  mirrorsOf,
  productPaths,
} from "./simplestreams.ts";

const find = (images: ReturnType<typeof imagesOf>, name: string, type = "container") =>
  findStreamImage(images, { name, architecture: "amd64", type })?.fingerprint[0];

Deno.test("productPaths() takes files of images, none that are empty or of another kind", () => {
  assert.deepEqual(productPaths(INDEX), ["streams/v1/images.json"]);
});

Deno.test("mirrorPaths() and mirrorsOf() read the mirrors of Juju's streams, https alone", () => {
  const file = { datatype: "content-download", path: "streams/v1/m.json", format: "mirrors:1.0" };
  const index = { mirrors: { images: [file, { ...file, format: "mirrors:9" }], other: [file] } };
  const mirrors = ["https://a/x/", "http://b", "https://a/x", "https://c", 7].map((mirror) => ({
    ...{ mirror, path: "streams/v1/images.json", format: "products:1.0" },
  }));

  assert.deepEqual(mirrorPaths(index), ["streams/v1/m.json"]);
  assert.deepEqual(mirrorPaths(INDEX), []);
  assert.deepEqual(mirrorsOf({ mirrors: { images: mirrors } }), ["https://a/x", "https://c"]);
});

Deno.test("imagesOf() lists each root file of each version, the newest version first", () => {
  const images = imagesOf(CLOUD_IMAGES);

  assert.deepEqual(
    images.map(({ fingerprint, type, size }) => [fingerprint[0], type, size]),
    [
      ["d", "container", 2000],
      ["a", "container", 2000],
      ["b", "container", 3000],
      ["c", "virtual-machine", 4000],
      ["e", "container", 2000],
    ],
  );
  assert.deepEqual(images[0]?.properties, {
    architecture: "amd64",
    description: "ubuntu 16.04 LTS amd64 (release) (20210928)",
    label: "release",
    os: "ubuntu",
    release: "xenial",
    serial: "20210928",
    type: "squashfs",
    version: "16.04",
  });
  assert.equal(images[0]?.createdAt, "2021-09-28T00:00:00Z");
  assert.equal(images[0]?.expiresAt, "2021-04-30T00:00:00Z");
});

Deno.test("imagesOf() reads what linuxcontainers.org says: variants, times, requirements", () => {
  const [image] = imagesOf(CONTAINER_IMAGES);

  assert.equal(image?.createdAt, "2023-12-01T05:24:00Z");
  assert.equal(image?.properties["description"], "Debian bookworm amd64 (20231201_05:24)");
  assert.equal(image?.properties["variant"], "cloud");
  assert.equal(image?.properties["requirements.secureboot"], "false");
  assert.equal(image?.rootfs?.size, 1600);
});

Deno.test("findStreamImage() knows names of the machine's architecture, and of others in full", () => {
  const images = imagesOf(CLOUD_IMAGES);

  assert.equal(find(images, "lts"), "d");
  assert.equal(find(images, "xenial/amd64"), "d");
  assert.equal(find(images, "lts/arm64"), "e");
  assert.equal(find(images, "lts", "virtual-machine"), "c");
  assert.equal(find(images, "bbbb"), "b");
  assert.equal(find(images, "trusty"), undefined);
  assert.equal(find(imagesOf(CONTAINER_IMAGES), "debian/12/cloud"), "f");
});

Deno.test("aliasesOf() gives each name to the newest image, once per type", () => {
  const aliases = aliasesOf(imagesOf(CLOUD_IMAGES), "amd64");
  const targets = (name: string) =>
    aliases.filter((one) => one.name === name).map(({ type, target }) => [type, target[0]]);

  assert.deepEqual(targets("lts"), [["container", "d"], ["virtual-machine", "c"]]);
  assert.deepEqual(targets("lts/arm64"), [["container", "e"]]);
});

Deno.test("imagesOf() refuses a file that is something else", () => {
  for (const wrong of [null, [], "x", {}, { products: [] }, { products: { a: 1 } }]) {
    assert.throws(() => imagesOf(wrong), /is not an object/);
  }
});
