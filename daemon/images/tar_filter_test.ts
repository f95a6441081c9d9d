import assert from "node:assert/strict";
import fc from "fast-check";
import {
  archive,
  END,
  gnuLong,
  joined,
  member,
  pax,
  sign,
  type TarMember,
} from "#tests/fakes/tar.ts";
import { type TarEntry, TarFilter, type TarFilterOptions } from "./tar_filter.ts";

interface Seen {
  readonly entries: TarEntry[];
  readonly output: Uint8Array;
}

/** Push an archive in pieces of `step` bytes. */
function run(
  bytes: Uint8Array,
  options: Partial<TarFilterOptions> & { readonly step?: number } = {},
): Seen {
  const entries: TarEntry[] = [];
  const { step = bytes.length, ...rest } = options;
  const filter = new TarFilter({
    bytesMax: 1e9,
    onEntry: (entry) => {
      entries.push(entry);
      return false;
    },
    ...rest,
  });
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    out.push(...filter.push(bytes.slice(at, at + step)).map((one) => one.slice()));
  }
  filter.end();
  return { entries, output: joined(out) };
}

const names = (parts: readonly (TarMember | Uint8Array)[]) =>
  run(archive(parts)).entries.map(({ name }) => name);

function refuses(parts: readonly (TarMember | Uint8Array)[], why: RegExp, end = true): void {
  assert.throws(() => run(archive(parts, { end })), { name: "Fault", message: why });
}

const HELLO = member({ name: "./rootfs/hello", body: "hello" });

Deno.test("TarFilter passes a harmless archive on, byte for byte", () => {
  const bytes = archive([
    { name: "rootfs/", type: "5" },
    HELLO,
    { name: "rootfs/link", type: "2", link: "../../anything/outside" },
    { name: "rootfs/same", type: "1", link: "rootfs/hello" },
    { name: "rootfs/pipe", type: "6" },
    { name: "rootfs/null", type: "3", device: [1, 3] },
  ]);

  const { entries, output } = run(bytes);

  assert.deepEqual(output, bytes);
  assert.deepEqual(entries.map(({ name, type }) => `${type} ${name}`), [
    "5 rootfs/",
    "0 rootfs/hello",
    "2 rootfs/link",
    "1 rootfs/same",
    "6 rootfs/pipe",
    "3 rootfs/null",
  ]);
});

Deno.test("TarFilter refuses names that climb, wherever the name stands", () => {
  const climbing = /leaves the image/;
  refuses([{ name: "../etc/passwd" }], climbing);
  refuses([{ name: "rootfs/../../x" }], climbing);
  refuses([{ name: "x", prefix: "a/.." }], climbing);
  refuses([gnuLong("L", "a/../../x"), HELLO], climbing);
  refuses([pax({ path: "../x" }), HELLO], climbing);
  refuses([pax({ "GNU.sparse.name": "../x" }), HELLO], climbing);
  refuses([pax({ path: "../x" }, "g"), HELLO], climbing);
  refuses(
    [pax({ path: "fine" }), gnuLong("L", "fine"), { name: "../x" }, { name: "../x" }],
    climbing,
  );
});

Deno.test("TarFilter refuses hard links out of the image, and lets symlinks be", () => {
  const out = /points out of the image/;
  refuses([{ name: "a", type: "1", link: "../../etc/shadow" }], out);
  refuses([gnuLong("K", "x/../../etc/shadow"), { name: "a", type: "1" }], out);
  refuses([pax({ linkpath: "../etc/shadow" }), { name: "a", type: "1", link: "fine" }], out);
  assert.deepEqual(names([{ name: "a", type: "2", link: "/etc/shadow" }]), ["a"]);
});

Deno.test("TarFilter strips leading slashes and dots from names", () => {
  assert.deepEqual(names([{ name: "/etc/passwd" }, { name: "././/x" }, { name: "./" }]), [
    "etc/passwd",
    "x",
    "",
  ]);
});

Deno.test("TarFilter leaves out devices but the harmless ones", () => {
  const kept: [number, number][] = [[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2]];
  const dropped: [number, number][] = [[0, 0], [1, 1], [1, 2], [8, 0], [10, 232], [4, 0]];
  const parts: TarMember[] = [
    ...kept.map((device) => ({ name: `kept${device}`, type: "3", device })),
    ...dropped.map((device) => ({ name: `dropped${device}`, type: "3", device })),
    { name: "disk", type: "4", device: [1, 3] },
    { name: "last", body: "x" },
  ];

  const { entries, output } = run(archive(parts));

  assert.deepEqual(entries.map(({ name }) => name), [...kept.map((one) => `kept${one}`), "last"]);
  assert.deepEqual(output, archive(parts.filter(({ name }) => !/^d/.test(name))));
});

Deno.test("TarFilter drops the extension headers of a device that it drops", () => {
  const { output } = run(archive([gnuLong("L", "disk"), { name: "d", type: "4" }, HELLO]));

  assert.deepEqual(output, archive([HELLO]));
});

Deno.test("TarFilter refuses a wrong checksum, also in an extension header", () => {
  const wrong = /wrong checksum/;
  const long = gnuLong("L", "x");
  sign(long, 1);
  refuses([{ name: "a", breakChecksum: true }], wrong);
  refuses([long, HELLO], wrong);
});

Deno.test("TarFilter refuses sizes that are none", () => {
  const impossible = /impossible size/;
  refuses([{ name: "a", size: "xyz" }], impossible);
  refuses([pax({ size: "-1" }), { name: "a" }], impossible);
  refuses([pax({ size: "1e400" }), { name: "a" }], impossible);
  refuses([pax({ size: "0.5" }), { name: "a" }], impossible);
  refuses([pax({ size: "0x10" }), { name: "a", body: "0123456789abcdef" }], impossible);
  const negative = member({ name: "a" });
  negative.set([0xff, 0xff, 0xff], 124);
  sign(negative);
  refuses([negative], impossible);
});

Deno.test("TarFilter refuses extension headers whose size is none or too large", () => {
  refuses([{ name: "x", type: "x", size: "nonsense" }, HELLO], /extension header/);
  refuses([{ name: "x", type: "L", size: 2 ** 30 }, HELLO], /extension header is too large/);
  const negative = member({ name: "x", type: "x" });
  negative.set([0xff, 0xff, 0xff], 124);
  sign(negative);
  refuses([negative, HELLO], /extension header/);
});

Deno.test("TarFilter refuses endless extension headers", () => {
  const large = pax({ comment: "x".repeat(900_000) });
  refuses([large, large, large, large, large, HELLO], /too many extension headers/);
});

Deno.test("TarFilter refuses a malformed pax record, which tar might read differently", () => {
  for (
    const body of ["99 path=x\n", " 9 path=x\n", "9 path=xy\n", "path=x\n", "5 ax\n", "6 a=x\ny"]
  ) {
    refuses([{ name: "x", type: "x", body }, HELLO], /malformed/);
  }
});

Deno.test("TarFilter refuses NUL bytes in names that headers give", () => {
  const wrong = /NUL byte/;
  refuses([pax({ path: "a\0/../../b" }), HELLO], wrong);
  refuses([pax({ linkpath: "a\0b" }), { name: "a", type: "1" }], wrong);
});

Deno.test("TarFilter refuses more data than there is space, before it comes", () => {
  const bytes = archive([{ name: "a", size: 2 ** 33 - 1 }], { end: false });
  assert.throws(() => run(bytes, { bytesMax: 1e6 }), { kind: "no_space" });
  const sum = archive([{ name: "a", body: "x".repeat(600) }, { name: "b", body: "x".repeat(600) }]);
  assert.throws(() => run(sum, { bytesMax: 1000 }), { kind: "no_space" });
});

Deno.test("TarFilter refuses more entries than allowed", () => {
  const bytes = archive([{ name: "a" }, { name: "b" }, { name: "c" }]);

  assert.throws(() => run(bytes, { entriesMax: 2 }), /more than 2 entries/);
});

Deno.test("TarFilter refuses an archive that is cut anywhere", () => {
  const whole = archive([gnuLong("L", "name"), HELLO, { name: "b", body: "x".repeat(700) }], {
    end: false,
  });
  const seams = new Set([HELLO.length + 1024, whole.length]); // A tar may end without end marker.

  for (let length = 0; length <= whole.length; length += 64) {
    if (seams.has(length)) assert.doesNotThrow(() => run(whole.subarray(0, length)));
    else assert.throws(() => run(whole.subarray(0, length)), /truncated|empty/, `${length}`);
  }
});

Deno.test("TarFilter refuses data after the end", () => {
  refuses([HELLO, END, HELLO], /follows the end/);
});

Deno.test("TarFilter takes size and names from the extension headers, as tar does", () => {
  const body = "x".repeat(1000);
  const { entries } = run(archive([
    pax({ path: "from-pax", size: "1000" }),
    joined([member({ name: "short", size: 3 }), member({ name: "", body }).subarray(512)]),
    gnuLong("L", "from-gnu"),
    HELLO,
    { name: "short", prefix: "pre/fix" },
    pax({ "GNU.sparse.name": "sparse", path: "GNUSparseFile.1/x" }),
    HELLO,
  ]));

  assert.deepEqual(entries.map(({ name, size }) => [name, size]), [
    ["from-pax", 1000],
    ["from-gnu", 5],
    ["pre/fix/short", 0],
    ["sparse", 5],
  ]);
});

Deno.test("TarFilter walks over the map blocks of an old GNU sparse file", () => {
  const sparse = member({ name: "sparse", type: "S", body: "data" });
  sparse[482] = 1;
  sign(sparse);
  const [more, last] = [new Uint8Array(512), new Uint8Array(512)];
  more[504] = 1;
  const bytes = joined([sparse.subarray(0, 512), more, last, sparse.subarray(512), HELLO, END]);

  const { entries, output } = run(bytes, { step: 100 });

  assert.deepEqual(entries.map(({ name }) => name), ["sparse", "rootfs/hello"]);
  assert.deepEqual(output, bytes);
});

Deno.test("TarFilter gives the body of an entry that is asked for", () => {
  const bodies: string[] = [];
  const text = "architecture: x86_64\n".repeat(60);
  run(archive([HELLO, { name: "metadata.yaml", body: text }, { name: "empty" }]), {
    step: 7,
    onEntry: ({ name }) => name !== "rootfs/hello",
    onBody: ({ name }, data) => bodies.push(`${name}=${new TextDecoder().decode(data)}`),
  });

  assert.deepEqual(bodies, [`metadata.yaml=${text}`, "empty="]);
});

const harmless = fc.record({
  name: fc.stringMatching(/^[a-z0-9._ -]{1,20}$/).filter((name) => !/^\.+$/.test(name)),
  body: fc.uint8Array({ maxLength: 1500 }),
});

Deno.test("TarFilter says the same however the archive is cut into pieces", () => {
  fc.assert(
    fc.property(
      fc.array(harmless, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 1500 }),
      (members, step) => {
        const bytes = archive(members.flatMap((one) => [gnuLong("L", `x/${one.name}`), one]));

        const { entries, output } = run(bytes, { step });

        assert.deepEqual(output, bytes);
        assert.deepEqual(entries.map(({ name }) => name), members.map(({ name }) => `x/${name}`));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("TarFilter ends with a Fault or passes, and never climbs, whatever bytes are changed", () => {
  const change = fc.record({ at: fc.nat(511), block: fc.nat(9), byte: fc.nat(255) });
  fc.assert(
    fc.property(
      fc.array(harmless, { minLength: 1, maxLength: 3 }),
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (members, changes, resign) => {
        const bytes = archive([pax({ path: "a/b", size: "5" }), HELLO, ...members]);
        for (const { at, block, byte } of changes) {
          const offset = block * 512 + at;
          if (offset < bytes.length) bytes[offset] = byte;
          if (resign && (block + 1) * 512 <= bytes.length) sign(bytes.subarray(block * 512));
        }
        try {
          for (const { name } of run(bytes, { step: 333 }).entries) {
            assert.ok(!name.split("/").includes("..") && !name.includes("\0"));
          }
        } catch (error) {
          assert.equal((error as Error).name, "Fault", String((error as Error).stack));
        }
      },
    ),
    { numRuns: 400 },
  );
});
