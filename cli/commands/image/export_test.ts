import assert from "node:assert/strict";
import { placesOf } from "./export.ts";

const meta = (target: string, isFolder = false) =>
  placesOf(target, "abc", isFolder).meta("abc.tar.zst");

Deno.test("placesOf() adds the ending of the file, unless the name has one as the guide writes it", () => {
  assert.equal(meta("foo"), "foo.tar.zst");
  assert.equal(meta("foo-2.0"), "foo-2.0.tar.zst");
  assert.equal(meta("foo-2.0.tar.gz"), "foo-2.0.tar.gz");
  assert.equal(meta("image.squashfs"), "image.squashfs");
});

Deno.test("placesOf() keeps the names of the files in a folder, and the root beside its metadata", () => {
  assert.equal(meta("out", true), "out/abc.tar.zst");
  assert.equal(placesOf("out", "abc", true).meta(""), "out/abc");
  assert.equal(placesOf("foo", "abc", false).root("x"), "foo.root");
});
