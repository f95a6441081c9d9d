/** Hostile and honest images through the real unpacking: tar and unsquashfs, confined by the helper. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { compressionOf } from "#daemon/images/compression.ts";
import { readImageMetadata } from "#daemon/images/store.ts";
import { unpackFile, unpackImage } from "#daemon/images/unpack.ts";
import { archive, gnuLong, member, pax, type TarMember } from "#tests/fakes/tar.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { buildHelper } from "./ffi_support.ts";

const METADATA = "architecture: x86_64\ncreation_date: 1700000000\n";
const BASE: readonly TarMember[] = [
  { name: "metadata.yaml", body: METADATA },
  { name: "rootfs/", type: "5" },
];

const shared = hostPath(Deno.makeTempDirSync({ prefix: "image-test-" }));
const helper = await buildHelper(shared);
globalThis.addEventListener("unload", () => Deno.removeSync(shared, { recursive: true }));

/** Directories "in" for image files, "out" to unpack into, and "secret", which no image may touch. */
interface Place extends Disposable {
  readonly path: HostPath;
  readonly out: HostPath;
  file(name: string, bytes: Uint8Array): HostPath;
}

function place(): Place {
  const path = hostPath(Deno.makeTempDirSync({ dir: shared, prefix: "p" }));
  for (const name of ["in", "out", "secret"]) Deno.mkdirSync(`${path}/${name}`);
  Deno.writeTextFileSync(`${path}/secret/key`, "secret");
  return {
    path,
    out: hostPath(`${path}/out`),
    file(name, bytes) {
      const file = hostPath(`${path}/in/${name}`);
      Deno.writeFileSync(file, bytes);
      return file;
    },
    [Symbol.dispose]() {
      assert.deepEqual([...Deno.readDirSync(`${path}/secret`)].map(({ name }) => name), ["key"]);
      assert.equal(Deno.readTextFileSync(`${path}/secret/key`), "secret");
      Deno.removeSync(path, { recursive: true });
    },
  };
}

const unpackTar = (where: Place, parts: readonly (TarMember | Uint8Array)[]) =>
  unpackImage(
    { meta: where.file("image", archive([...BASE, ...parts])), rootfs: undefined },
    where.out,
    { helper },
  );

const stat = (path: string) => must(["stat", "-c", "%u %g %a %F %t:%T", path]);

Deno.test("image: files, links, owners, modes and harmless devices arrive as they are", async () => {
  using where = place();

  await unpackTar(where, [
    { name: "rootfs/bin/", type: "5", mode: 0o1777 },
    { name: "rootfs/bin/su", body: "x", uid: 1234, mode: 0o4755 },
    { name: "rootfs/bin/same", type: "1", link: "rootfs/bin/su" },
    { name: "rootfs/mtab", type: "2", link: "/proc/self/mounts" },
    { name: "rootfs/null", type: "3", device: [1, 3], mode: 0o666 },
    { name: "rootfs/pipe", type: "6" },
    gnuLong("L", `rootfs/${"long".repeat(50)}`),
    { name: "x", body: "long" },
    pax({ path: `rootfs/päx-${"x".repeat(150)}`, mtime: "1.5" }),
    { name: "x", body: "pax" },
  ]);

  const root = `${where.out}/rootfs`;
  assert.equal(await stat(`${root}/bin/su`), "1234 1234 4755 regular file 0:0\n");
  assert.equal(await stat(`${root}/bin`), "0 0 1777 directory 0:0\n");
  assert.equal(await stat(`${root}/null`), "0 0 666 character special file 1:3\n");
  assert.match(await stat(`${root}/pipe`), /fifo/);
  assert.equal(Deno.statSync(`${root}/bin/same`).ino, Deno.statSync(`${root}/bin/su`).ino);
  assert.equal(Deno.readLinkSync(`${root}/mtab`), "/proc/self/mounts");
  assert.equal(Deno.readTextFileSync(`${root}/${"long".repeat(50)}`), "long");
  assert.equal(Deno.readTextFileSync(`${root}/päx-${"x".repeat(150)}`), "pax");
});

Deno.test("image: a file through a symlink out of the image does not get there", async () => {
  using where = place();
  const attempts: readonly (readonly TarMember[])[] = [
    [{ name: "rootfs/d", type: "2", link: `${where.path}/secret` }],
    [{ name: "rootfs/d", type: "2", link: "../../secret" }],
    [{ name: "rootfs/e", type: "2", link: ".." }, {
      name: "rootfs/d",
      type: "2",
      link: "e/../secret",
    }],
  ];
  for (const links of attempts) {
    await unpackTar(where, [...links, { name: "rootfs/d/new", body: "x" }]).catch(() => undefined);
    await unpackTar(where, [...links, { name: "rootfs/d/key", body: "x" }]).catch(() => undefined);

    assert.equal(Deno.readTextFileSync(`${where.path}/secret/key`), "secret");
    Deno.removeSync(where.out, { recursive: true });
    Deno.mkdirSync(where.out);
  }
});

Deno.test("image: a hard link can't reach a file of the host, by name or through a symlink", async () => {
  using where = place();
  const { ino } = Deno.statSync(`${where.path}/secret/key`);

  await unpackTar(where, [
    { name: "rootfs/s", type: "2", link: `${where.path}/secret` },
    { name: "rootfs/h", type: "1", link: "rootfs/s/key" },
  ]).catch(() => undefined);
  await unpackTar(where, [{ name: "rootfs/i", type: "1", link: `${where.path}/secret/key` }])
    .catch(() => undefined);

  assert.equal(Deno.statSync(`${where.path}/secret/key`).nlink, 1);
  for (const name of ["h", "i"]) {
    const info = await Deno.stat(`${where.out}/rootfs/${name}`).catch(() => undefined);
    assert.notEqual(info?.ino, ino);
  }
});

Deno.test("image: names that climb are refused, absolute ones land inside", async () => {
  using where = place();

  await assert.rejects(
    unpackTar(where, [{ name: "../secret/key", body: "x" }]),
    /leaves the image/,
  );
  await unpackTar(where, [{ name: `${where.path}/secret/abs`, body: "x" }]);

  assert.equal(Deno.readTextFileSync(`${where.out}${where.path}/secret/abs`), "x");
});

Deno.test("image: block devices, whiteouts and memory are left out of tar and squashfs", async () => {
  using where = place();
  const nodes = ["disk b 8 0", "mem c 1 1", "white c 0 0", "null c 1 3"];
  await unpackTar(where, [
    { name: "rootfs/disk", type: "4", device: [8, 0] },
    { name: "rootfs/mem", type: "3", device: [1, 1] },
    { name: "rootfs/white", type: "3", device: [0, 0] },
    { name: "rootfs/null", type: "3", device: [1, 3] },
  ]);
  const tree = `${where.path}/tree`;
  Deno.mkdirSync(tree);
  for (const node of nodes) await must(["mknod", ...`${tree}/${node}`.split(" ")]);
  const second = hostPath(`${where.path}/second`);
  Deno.mkdirSync(second);

  await unpackFile(await squash(where, tree), second, { helper, bytesMax: 1e9 });

  for (const root of [`${where.out}/rootfs`, second]) {
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["null"]);
  }
});

async function squash(where: Place, tree: string, name = "tree"): Promise<HostPath> {
  const file = hostPath(`${where.path}/in/${name}.squashfs`);
  await must(["mksquashfs", tree, file, "-no-progress", "-quiet", "-noappend"]);
  return file;
}

Deno.test("image: capabilities and user attributes arrive, those of overlays do not", async () => {
  using where = place();
  const tree = `${where.path}/tree`;
  Deno.mkdirSync(tree);
  Deno.writeTextFileSync(`${tree}/ping`, "x");
  await must([
    "setfattr",
    "-n",
    "security.capability",
    "-v",
    "0x0100000200200000000000000000000000000000",
    `${tree}/ping`,
  ]);
  await must(["setfattr", "-n", "user.note", "-v", "hi", `${tree}/ping`]);
  const bare = await squash(where, tree);
  await must(["setfattr", "-n", "trusted.overlay.redirect", "-v", "/etc", `${tree}/ping`]);
  const tar = `${where.path}/in/root.tar`;
  await must(["tar", "--xattrs", "--xattrs-include=*", "-C", tree, "-cf", tar, "."]);
  for (const file of [hostPath(tar), bare]) {
    const target = hostPath(Deno.makeTempDirSync({ dir: where.path }));

    await unpackFile(file, target, { helper, bytesMax: 1e9 });

    const shown = await must(["getfattr", "--absolute-names", "-d", "-m", "-", `${target}/ping`]);
    assert.match(shown, /user.note="hi"/, file);
    assert.match(shown, /security.capability/, file);
    assert.doesNotMatch(shown, /trusted/, file);
  }
  const marked = await squash(where, tree, "marked");
  await assert.rejects(
    unpackFile(marked, where.out, { helper, bytesMax: 1e9 }),
    /failed to write xattr trusted/,
  );
});

Deno.test("image: the second file of a split image doesn't follow a link of the first", async () => {
  using where = place();
  const rootfs = where.file("rootfs", archive([{ name: "key", body: "stolen" }]));
  for (const target of [`${where.path}/secret`, "../secret", "nowhere"]) {
    const meta = where.file(
      "meta",
      archive([{ name: "metadata.yaml", body: METADATA }, {
        name: "rootfs",
        type: "2",
        link: target,
      }]),
    );

    await assert.rejects(unpackImage({ meta, rootfs }, where.out, { helper }), /rootfs is not a/);

    assert.equal(Deno.readTextFileSync(`${where.path}/secret/key`), "secret");
  }
});

Deno.test("image: the helper confines to a directory, never to where a link leads", async () => {
  using where = place();
  Deno.symlinkSync(`${where.path}/secret`, `${where.path}/link`);

  const { status, stderr } = await run([
    helper,
    "confine",
    `${where.path}/link`,
    "--",
    "sh",
    "-c",
    "echo x >new",
  ]);

  assert.equal(status, 125);
  assert.match(stderr, /open directory/);
});

Deno.test("image: a confined program writes only below its directory and reaches no network", async () => {
  using where = place();
  const confined = (script: string) =>
    run([helper, "confine", where.out, "--", "sh", "-c", script]);

  assert.equal((await confined("echo x >file")).status, 0);
  assert.notEqual((await confined(`echo x >${where.path}/secret/key`)).status, 0);
  assert.notEqual((await confined(`mount -o remount,rw ${where.path}`)).status, 0);
  assert.notEqual((await confined("mount -t tmpfs x /mnt")).status, 0);
  assert.notEqual((await confined("echo 1 >/proc/sys/kernel/panic")).status, 0);
  assert.match((await confined("cat /proc/net/dev | tail -n +3")).stdout, /^\s*lo:[^\n]*\n$/);
  assert.match((await confined("grep NoNewPrivs /proc/self/status")).stdout, /1/);
});

Deno.test("image: links in the places that the daemon reads are refused", async () => {
  const cases: readonly (readonly [TarMember[], RegExp])[] = [
    [
      [{ name: "templates/", type: "5" }, { name: "templates/t", type: "2", link: "/etc/shadow" }],
      /t is not a file/,
    ],
    [[{ name: "templates", type: "2", link: "/etc" }], /templates is not a directory/],
    [[{ name: "templates", body: "x" }], /templates is not a directory/],
    [[{ name: "templates/d/", type: "5" }], /d is not a file/],
  ];
  for (const [parts, why] of cases) {
    using where = place();
    await assert.rejects(unpackTar(where, parts), why);
  }
  for (
    const [parts, why] of [
      [
        [BASE[1]!, { name: "metadata.yaml", type: "2", link: "/etc/shadow" }],
        /metadata.yaml is not a file/,
      ],
      [[BASE[0]!, { name: "rootfs", type: "2", link: "/" }], /rootfs is not a directory/],
      [[BASE[0]!], /no rootfs directory/],
      [[BASE[1]!], /no metadata.yaml file/],
    ] as const
  ) {
    using where = place();
    const meta = where.file("image", archive(parts));
    await assert.rejects(unpackImage({ meta, rootfs: undefined }, where.out, { helper }), why);
  }
});

Deno.test("image: a sparse file of 8 TiB takes no space, a full one is refused at its header", async () => {
  using where = place();
  const map = `2\n0\n1\n${2 ** 43}\n0\n`.padEnd(512, "\0") + "x";
  const sparse = pax({
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "rootfs/huge",
    "GNU.sparse.realsize": String(2 ** 43),
  });

  await unpackTar(where, [sparse, { name: "x", body: map }]);
  const refused = unpackTar(where, [
    pax({ size: String(2 ** 43) }),
    member({ name: "rootfs/full" }),
  ]);

  await assert.rejects(refused, { kind: "no_space" });
  assert.equal(Deno.statSync(`${where.out}/rootfs/huge`).size, 2 ** 43);
  assert.ok((Deno.statSync(`${where.out}/rootfs/huge`).blocks ?? 0) < 16);
});

Deno.test("image: a bomb fills at most its own file system, and says so", async () => {
  using where = place();
  const small = hostPath(`${where.path}/small`);
  Deno.mkdirSync(small);
  await must(["mount", "-t", "tmpfs", "-o", "size=8m", "image-test", small]);
  try {
    const tree = `${where.path}/tree`;
    Deno.mkdirSync(tree);
    const noise = crypto.getRandomValues(new Uint8Array(65536));
    for (let i = 0; i < 400; i++) Deno.writeFileSync(`${tree}/f${i}`, noise); // One block, 400 times.
    const tar = `${where.path}/in/bomb.tar`;
    await must(["tar", "-C", tree, "-cf", tar, "."]);
    for (const file of [hostPath(tar), await squash(where, tree)]) {
      await assert.rejects(unpackFile(file, small, { helper, bytesMax: 1e9 }), {
        kind: "no_space",
      });
      await must(["find", small, "-mindepth", "1", "-delete"]);
    }
  } finally {
    await must(["umount", small]);
  }
});

Deno.test("image: a truncated or corrupt file is refused in every compression", async () => {
  using where = place();
  const noise = crypto.getRandomValues(new Uint8Array(50_000));
  const tar = archive([...BASE, { name: "rootfs/noise", body: noise }]);
  const file = where.file("whole.tar", tar);
  for (const argv of [["xz"], ["bzip2"], ["xz", "--format=lzma"]]) {
    await must([...argv, "--keep", file]);
  }
  const packed = new Map([
    ["none", tar],
    ["gzip", gzipSync(tar)],
    ["zstd", zstdCompressSync(tar)],
    ["xz", Deno.readFileSync(`${file}.xz`)],
    ["bzip2", Deno.readFileSync(`${file}.bz2`)],
    ["lzma", Deno.readFileSync(`${file}.lzma`)],
  ]);
  for (const [name, bytes] of packed) {
    const whole = where.file(name, bytes);
    const target = () => hostPath(Deno.makeTempDirSync({ dir: where.path }));
    assert.equal(await compressionOf(whole), name);
    assert.equal((await readImageMetadata(whole)).architecture, "x86_64");
    const good = target();
    await unpackFile(whole, good, { helper, bytesMax: 1e9 });
    assert.deepEqual(Deno.readFileSync(`${good}/rootfs/noise`), noise);

    const cut = where.file("cut", bytes.subarray(0, bytes.length - 20_000));
    await assert.rejects(
      unpackFile(cut, target(), { helper, bytesMax: 1e9 }),
      /invalid image/,
      name,
    );
  }
});

Deno.test("image: unpacking stops when it is no longer wanted", async () => {
  using where = place();
  const bytes = archive([...BASE, { name: "rootfs/big", body: new Uint8Array(30_000_000) }]);
  const file = where.file("image", bytes);
  const abort = new AbortController();
  const progress = () => abort.abort(new Error("enough"));

  const unpacking = unpackFile(file, where.out, {
    helper,
    bytesMax: 1e9,
    signal: abort.signal,
    progress,
  });

  await assert.rejects(unpacking, /enough/);
});

Deno.test("image: what is no archive is refused with the formats that are", async () => {
  using where = place();
  const file = where.file("image", new TextEncoder().encode("#!/bin/sh\n".repeat(100)));

  await assert.rejects(compressionOf(file), {
    kind: "bad_request",
    hint: /tar archives.*squashfs/,
  });
});
