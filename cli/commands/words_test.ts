import assert from "node:assert/strict";
import { splitImport } from "./backup.ts";
import { splitWords } from "./publish.ts";

Deno.test("splitImport() tells the remote from the file by its colon", () => {
  assert.deepEqual(splitImport(["b.tar.gz"]), { remote: "", file: "b.tar.gz", name: "" });
  assert.deepEqual(splitImport(["b.tar.gz", "c1"]), { remote: "", file: "b.tar.gz", name: "c1" });
  assert.deepEqual(splitImport(["r:", "b", "c1"]), { remote: "r:", file: "b", name: "c1" });
  assert.deepEqual(splitImport(["r:", "-"]), { remote: "r:", file: "-", name: "" });
});

Deno.test("splitWords() tells the target from the properties by the equals sign", () => {
  assert.deepEqual(splitWords([]), { target: "", properties: {} });
  assert.deepEqual(splitWords(["a=b", "c=d=e"]), {
    target: "",
    properties: { a: "b", c: "d=e" },
  });
  assert.deepEqual(splitWords(["r:", "a=b"]), { target: "r:", properties: { a: "b" } });
  assert.throws(() => splitWords(["r:", "a"]), { message: "Bad key=value pair: a" });
});
