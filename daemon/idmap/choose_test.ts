import assert from "node:assert/strict";
import { chooseIdmap } from "./choose.ts";
import { idmapJson, lxcIdmap, parseIdmapJson } from "./format.ts";
import { hostRange } from "./host_range.ts";

const range = hostRange("lxd:5:70000\nroot:100000:1000000\n", "root:100000:1000000");

Deno.test("hostRange() falls back to a range of its own when root has none", () => {
  assert.equal(hostRange(undefined, undefined).uid.base, 1000000);
  assert.equal(hostRange("root:100000:100\n", "root:100000:100\n").gid.size, 1000000000);
  assert.deepEqual(range.uid, { base: 100000, size: 1000000 });
});

Deno.test("chooseIdmap() gives all containers the whole range", () => {
  const { idmap, base } = chooseIdmap({}, range, []);

  assert.equal(base, 0);
  assert.deepEqual(lxcIdmap(idmap ?? []), ["u 0 100000 1000000", "g 0 100000 1000000"]);
});

Deno.test("chooseIdmap() maps nothing for a privileged one", () => {
  assert.equal(chooseIdmap({ "security.privileged": "true" }, range, []).idmap, null);
});

Deno.test("chooseIdmap() puts an isolated map into the first gap", () => {
  const config = { "security.idmap.isolated": "true" };
  const taken = [{ base: 165536, size: 65536 }, { base: 300000, size: 65536 }];

  assert.equal(chooseIdmap(config, range, []).base, 165536);
  assert.equal(chooseIdmap(config, range, taken).base, 231072);
  assert.equal(
    chooseIdmap({ ...config, "security.idmap.size": "100000" }, range, taken).base,
    365536,
  );
});

Deno.test("chooseIdmap() says so when the ids are used up", () => {
  const config = { "security.idmap.isolated": "true", "security.idmap.size": "2000000" };

  assert.throws(() => chooseIdmap(config, range, []), /Not enough uid\/gid/);
});

Deno.test("chooseIdmap() cuts raw.idmap out of the map", () => {
  const { idmap } = chooseIdmap({ "raw.idmap": "uid 1000 500\ngid 10-19 20-29" }, range, []);

  assert.deepEqual(lxcIdmap(idmap ?? []), [
    "u 0 100000 500",
    "u 500 1000 1",
    "u 501 100501 999499",
    "g 0 100000 20",
    "g 20 10 10",
    "g 30 100030 999970",
  ]);
});

Deno.test("parseIdmapJson() reads what idmapJson() wrote", () => {
  const { idmap } = chooseIdmap({}, range, []);

  assert.deepEqual(parseIdmapJson(idmapJson(idmap)), idmap);
  assert.equal(parseIdmapJson(idmapJson(null)), null);
  assert.equal(parseIdmapJson("{"), undefined);
});
