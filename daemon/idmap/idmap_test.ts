/** Properties of every map that is chosen; examples are in choose_test.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseIdmap, type TakenMap } from "./choose.ts";
import { idmapJson, lxcIdmap, parseIdmapJson } from "./format.ts";
import { type HostRange, hostRange } from "./host_range.ts";
import type { IdMap, IdMapEntry } from "./idmap.ts";

const RANGE: HostRange = {
  uid: { base: 100_000, size: 1_000_000 },
  gid: { base: 200_000, size: 1_000_000 },
};
const ISOLATED = { "security.idmap.isolated": "true" };

const id = fc.nat(2_000_000);
const line = fc.record({
  kind: fc.constantFrom("uid", "gid", "both"),
  host: id,
  inside: id,
  size: fc.integer({ min: 1, max: 70_000 }),
});
const raw = fc.array(line, { maxLength: 6 }).map((lines) =>
  lines.map(({ kind, host, inside, size }) =>
    size === 1
      ? `${kind} ${host} ${inside}`
      : `${kind} ${host}-${host + size - 1} ${inside}-${inside + size - 1}`
  ).join("\n")
);

function overlapping(map: IdMap, by: "nsId" | "hostId"): IdMapEntry[] {
  return [true, false].flatMap((isUid) => {
    const sorted = map.filter((entry) => entry.isUid === isUid).toSorted((a, b) => a[by] - b[by]);
    return sorted.filter((entry, index) => {
      const next = sorted[index + 1];
      return next !== undefined && entry[by] + entry.size > next[by];
    });
  });
}

const hostOf = (map: IdMap, isUid: boolean, nsId: number) => {
  const entry = map.find((one) =>
    one.isUid === isUid && nsId >= one.nsId && nsId < one.nsId + one.size
  );
  return entry === undefined ? undefined : entry.hostId + nsId - entry.nsId;
};

Deno.test("chooseIdmap() maps no id twice, inside or on the host, whatever raw.idmap says", () => {
  fc.assert(fc.property(raw, fc.boolean(), (text, isolated) => {
    const config = { "raw.idmap": text, ...isolated ? ISOLATED : {} };

    const map = chooseIdmap(config, RANGE, []).idmap ?? [];

    assert.deepEqual(overlapping(map, "nsId"), []);
    assert.deepEqual(overlapping(map, "hostId"), []);
    assert.ok(map.every(({ size, isUid, isGid }) => size > 0 && isUid !== isGid));
  }));
});

Deno.test("chooseIdmap() does what the last line of raw.idmap says, and keeps what no line touches", () => {
  fc.assert(fc.property(line, ({ kind, host, inside, size }) => {
    const text = `${kind} ${host}-${host + size - 1} ${inside}-${inside + size - 1}`;

    const map = chooseIdmap({ "raw.idmap": text }, RANGE, []).idmap ?? [];

    for (const isUid of [true, false]) {
      const isMeant = kind === "both" || (kind === "uid") === isUid;
      const range = isUid ? RANGE.uid : RANGE.gid;
      for (const nsId of [0, 999_999, inside, inside + size - 1]) {
        const isRaw = isMeant && nsId >= inside && nsId < inside + size;
        const plain = nsId < range.size ? range.base + nsId : undefined;
        const isStolen = isMeant && plain !== undefined && plain >= host && plain < host + size;
        const expected = isRaw ? host + nsId - inside : isStolen ? undefined : plain;
        assert.equal(hostOf(map, isUid, nsId), expected, `${isUid} ${nsId}`);
      }
    }
  }));
});

Deno.test("chooseIdmap() gives isolated instances ranges that overlap nobody's", () => {
  const sizes = fc.array(fc.constantFrom(65_536, 1000, 100_000), { minLength: 1, maxLength: 9 });
  fc.assert(fc.property(sizes, fc.nat(8), (wanted, gone) => {
    const taken: TakenMap[] = [];
    for (const size of wanted) {
      const config = { ...ISOLATED, "security.idmap.size": String(size) };
      if (taken.length > gone) taken.splice(gone, 1); // One was deleted: its range is free again.

      const { base } = chooseIdmap(config, RANGE, taken);

      assert.ok(base >= 200_000 + 65_536 && base + size <= 1_100_000, `${base}`);
      assert.ok(taken.every((one) => base + size <= one.base || one.base + one.size <= base));
      taken.push({ base, size });
    }
  }));
});

Deno.test("chooseIdmap() takes security.idmap.base and security.idmap.size at their word", () => {
  const config = { ...ISOLATED, "security.idmap.base": "400000", "security.idmap.size": "70000" };

  const { idmap, base } = chooseIdmap(config, RANGE, []);

  assert.equal(base, 400_000);
  assert.deepEqual(lxcIdmap(idmap ?? []), ["u 0 400000 70000", "g 0 400000 70000"]);
});

Deno.test("idmapJson() has LXD's names, and is read back", () => {
  fc.assert(fc.property(raw, (text) => {
    const { idmap } = chooseIdmap({ "raw.idmap": text }, RANGE, []);

    assert.deepEqual(parseIdmapJson(idmapJson(idmap)), idmap);
  }));
  assert.equal(
    idmapJson([{ isUid: true, isGid: false, hostId: 5, nsId: 0, size: 9 }]),
    '[{"Isuid":true,"Isgid":false,"Hostid":5,"Nsid":0,"Maprange":9}]',
  );
});

Deno.test("parseIdmapJson() takes nonsense for nothing", () => {
  for (const text of [undefined, "", "{}", "[1]", "[null]", '[{"Hostid":"x"}]', "[", "null"]) {
    assert.equal(parseIdmapJson(text), undefined, `${text}`);
  }
});

Deno.test("hostRange() takes the first range of root that is large enough, in both files", () => {
  const files = "daemon:1:65536\nroot:5000:10\n# comment\nroot:7000:65536\n0:9000:99999\n";

  assert.deepEqual(hostRange(files, files).uid, { base: 7000, size: 65536 });
  assert.equal(hostRange("0:9000:99999", files).uid.base, 9000);
  assert.equal(hostRange(files, "nobody:1:65536").uid.base, 1_000_000);
  assert.equal(hostRange("root:0:65536\nroot:x:y\n", files).uid.base, 1_000_000);
});
