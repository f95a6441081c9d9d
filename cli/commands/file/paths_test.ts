import assert from "node:assert/strict";
import {
  baseName,
  cleanPath,
  folderChain,
  formatMode,
  joinPath,
  parentOf,
  parseGuestPath,
  parseMode,
} from "./paths.ts";

for (
  const [text, label, path] of [
    ["c1/etc/hosts", "c1", "/etc/hosts"],
    ["c1/", "c1", "/"],
    ["c1/.", "c1", "/"],
    ["c1/tmp/", "c1", "/tmp/"],
    ["c1//tmp/../etc/./x", "c1", "/etc/x"],
    ["c1/../../etc", "c1", "/etc"],
    ["remote:c1/a b", "remote:c1", "/a b"],
    ["remote:c1/with:colon", "remote:c1", "/with:colon"],
  ] as const
) {
  Deno.test(`parseGuestPath() reads ${text}`, () => {
    assert.deepEqual(parseGuestPath(text), { label, path });
  });
}

for (const text of ["c1", "", "/etc/hosts", "remote:c1"]) {
  Deno.test(`parseGuestPath() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseGuestPath(text, "Invalid target"), {
      message: `Invalid target ${text}`,
    });
  });
}

Deno.test("cleanPath() keeps a slash, or a dot behind one, at the end as a slash", () => {
  assert.equal(cleanPath("/a/b/"), "/a/b/");
  assert.equal(cleanPath("/a/b/."), "/a/b/");
  assert.equal(cleanPath("/a/b."), "/a/b.");
  assert.equal(cleanPath("/"), "/");
});

Deno.test("parts of paths", () => {
  assert.equal(baseName("/a/b/"), "b");
  assert.equal(baseName("b"), "b");
  assert.equal(parentOf("/a/b"), "/a");
  assert.equal(parentOf("/a"), "/");
  assert.equal(parentOf("a"), ".");
  assert.equal(joinPath("/", "a"), "/a");
  assert.equal(joinPath("/a", "b"), "/a/b");
  assert.deepEqual(folderChain("/a/b/c/"), ["/a", "/a/b", "/a/b/c"]);
  assert.deepEqual(folderChain("/"), []);
});

Deno.test("parseMode() reads octal numbers with and without a zero", () => {
  assert.equal(parseMode("0644"), 0o644);
  assert.equal(parseMode("755"), 0o755);
  assert.equal(parseMode("4755"), 0o4755);
  assert.equal(parseMode("0"), 0);
  for (const bad of ["", "0999", "u+x", "12345", "-1"]) {
    assert.throws(() => parseMode(bad), /Invalid mode/);
  }
});

Deno.test("formatMode() writes octal numbers that every reader takes for such", () => {
  assert.equal(formatMode(0o644), "0644");
  assert.equal(formatMode(0o104755), "04755");
});
