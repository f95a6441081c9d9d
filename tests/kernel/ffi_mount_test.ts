/** Mounts, id maps and the overlay of overlay.md on the real kernel. Needs root. */
import assert from "node:assert/strict";
import { type HostPath, hostPath } from "#base/brand.ts";
import { SysError } from "#base/errors.ts";
import {
  attachTree,
  bindMount,
  cloneTree,
  detach,
  filesystemMagic,
  idmapTree,
} from "#ffi/libc/mount.ts";
import { mountOverlay } from "#ffi/libc/overlay.ts";
import { createUserNamespace } from "#ffi/libc/process.ts";
import { BASE_ID, buildHelper, openDescriptors, temporaryDirectory } from "./ffi_support.ts";

const TMPFS_MAGIC = 0x01021994;
const OVERLAY_MAGIC = 0x794c7630;
/** Maps host root, who mounts, to an id of its own on disk. */
const RESERVED = "4294967294 0 1\n";

/** A directory with `lower`, `layers/upper`, `layers/work`, `target`; mounts below it go away. */
function workspace(): { readonly path: HostPath; at(name: string): HostPath } & Disposable {
  const directory = temporaryDirectory();
  const at = (name: string) => hostPath(`${directory.path}/${name}`);
  for (const name of ["lower", "layers/upper", "layers/work", "target"]) {
    Deno.mkdirSync(at(name), { recursive: true });
  }
  const dispose = () => {
    for (const line of mountsBelow(directory.path).reverse()) detach(hostPath(line));
    directory[Symbol.dispose]();
  };
  return { path: directory.path, at, [Symbol.dispose]: dispose };
}

function mountsBelow(path: string): string[] {
  const lines = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
  const points = lines.map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => point.startsWith(`${path}/`));
}

function mountTmpfs(target: HostPath): void {
  const { success } = new Deno.Command("mount", { args: ["-t", "tmpfs", "ffi", target] })
    .outputSync();
  assert.ok(success);
}

function mapOf(base: number, extra = ""): { uid: string; gid: string } {
  const text = `0 ${base} 65536\n${extra}`;
  return { uid: text, gid: text };
}

function ownerOf(path: string): readonly [uid: number | null, gid: number | null] {
  const { uid, gid } = Deno.lstatSync(path);
  return [uid, gid];
}

Deno.test("bindMount() shows the source and obeys read-only", () => {
  using space = workspace();
  Deno.writeTextFileSync(space.at("lower/file"), "text");

  bindMount(space.at("lower"), space.at("target"), { readOnly: true });

  assert.equal(Deno.readTextFileSync(space.at("target/file")), "text");
  assert.throws(() => Deno.writeTextFileSync(space.at("target/file"), "x"), /Read-only/);
  assert.equal(detach(space.at("target")), true);
});

Deno.test("bindMount() takes the mounts below only when recursive", () => {
  using space = workspace();
  Deno.mkdirSync(space.at("lower/sub"));
  mountTmpfs(space.at("lower/sub"));
  Deno.writeTextFileSync(space.at("lower/sub/file"), "");

  bindMount(space.at("lower"), space.at("target"));
  const plain = [...Deno.readDirSync(space.at("target/sub"))].length;
  bindMount(space.at("lower"), space.at("target"), { recursive: true });

  assert.equal(plain, 0);
  assert.equal([...Deno.readDirSync(space.at("target/sub"))].length, 1);
});

Deno.test("detach() returns false when nothing is mounted or the path is missing", () => {
  using space = workspace();

  assert.equal(detach(space.at("target")), false);
  assert.equal(detach(space.at("missing")), false);
});

Deno.test("filesystemMagic() tells the type", () => {
  using space = workspace();

  mountTmpfs(space.at("target"));

  assert.equal(filesystemMagic(space.at("target")), TMPFS_MAGIC);
});

Deno.test("cloneTree() throws ENOENT with the path", () => {
  assert.throws(() => cloneTree("/nonexistent"), {
    name: "SysError",
    message: 'open_tree "/nonexistent": ENOENT',
  });
});

Deno.test("createUserNamespace() and idmapTree() shift owners, leaving the disk alone", async () => {
  using space = workspace();
  Deno.writeTextFileSync(space.at("lower/file"), "");
  const before = openDescriptors();
  {
    using namespace = await createUserNamespace(await buildHelper(space.path), mapOf(BASE_ID));
    using tree = cloneTree(space.at("lower"));

    idmapTree(tree, namespace.fd);
    attachTree(tree, space.at("target"));
  }

  assert.deepEqual(ownerOf(space.at("target/file")), [BASE_ID, BASE_ID]);
  assert.deepEqual(ownerOf(space.at("lower/file")), [0, 0]);
  assert.deepEqual(openDescriptors(), before);
});

Deno.test("createUserNamespace() throws when the kernel refuses the map", async () => {
  using space = workspace();
  const helper = await buildHelper(space.path);
  const before = openDescriptors();

  await assert.rejects(createUserNamespace(helper, { uid: "0 0 0\n", gid: "0 0 0\n" }));

  assert.deepEqual(openDescriptors(), before);
});

Deno.test("mountOverlay() keeps ids unshifted on disk for every map", async () => {
  using space = workspace();
  const helper = await buildHelper(space.path);
  Deno.writeTextFileSync(space.at("lower/file"), "image");
  Deno.mkdirSync(space.at("lower/directory"));
  const before = openDescriptors();

  for (const base of [BASE_ID, 2 * BASE_ID]) {
    using lower = await createUserNamespace(helper, mapOf(base));
    using upper = await createUserNamespace(helper, mapOf(base, RESERVED));
    Deno.removeSync(space.at("layers/work"), { recursive: true });
    Deno.mkdirSync(space.at("layers/work"), { mode: 0o700 });
    mountOverlay({
      lowers: [space.at("lower")],
      lowerNamespace: lower.fd,
      upperParent: space.at("layers"),
      upperNamespace: upper.fd,
      target: space.at("target"),
    });
    assert.deepEqual(ownerOf(space.at("target/file")), [base, base]);
    writeAs(base, space.at("target/file"));
    Deno.chownSync(space.at("target/directory"), base + 7, base + 7);
    detach(space.at("target"));
  }

  assert.deepEqual(ownerOf(space.at("layers/upper/file")), [0, 0]);
  assert.deepEqual(ownerOf(space.at("layers/upper/directory")), [7, 7]);
  assert.equal(Deno.readTextFileSync(space.at("lower/file")), "image");
  assert.deepEqual(openDescriptors(), before);
});

/** Append as the container's root would. */
function writeAs(uid: number, path: string): void {
  const args = ["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups", "tee", "-a", path];
  const { success, stderr } = new Deno.Command("setpriv", { args, stdin: "null" }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("mountOverlay() without a map writes as root to the upper", () => {
  using space = workspace();
  Deno.writeTextFileSync(space.at("lower/file"), "image");

  mountOverlay({
    lowers: [space.at("lower")],
    upperParent: space.at("layers"),
    target: space.at("target"),
  });
  Deno.writeTextFileSync(space.at("target/file"), "changed");

  assert.equal(filesystemMagic(space.at("target")), OVERLAY_MAGIC);
  assert.equal(Deno.readTextFileSync(space.at("layers/upper/file")), "changed");
  assert.equal(Deno.readTextFileSync(space.at("lower/file")), "image");
});

Deno.test("mountOverlay() asks for xino only across file systems", () => {
  using space = workspace();
  const mount = () => {
    mountOverlay({
      lowers: [space.at("lower")],
      upperParent: space.at("layers"),
      target: space.at("target"),
    });
    const lines = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
    detach(space.at("target"));
    return lines.find((line) => line.includes(` ${space.at("target")} `)) ?? "";
  };

  const same = mount();
  mountTmpfs(space.at("lower"));
  const different = mount();

  assert.doesNotMatch(same, /xino=on/);
  assert.match(different, /xino=on/);
});

Deno.test("mountOverlay() stacks lowers topmost first, read-only without an upper", () => {
  using space = workspace();
  Deno.mkdirSync(space.at("above"));
  Deno.writeTextFileSync(space.at("lower/file"), "below");
  Deno.writeTextFileSync(space.at("above/file"), "above");

  mountOverlay({ lowers: [space.at("above"), space.at("lower")], target: space.at("target") });

  assert.equal(Deno.readTextFileSync(space.at("target/file")), "above");
  assert.throws(() => Deno.writeTextFileSync(space.at("target/new"), ""), /Read-only/);
});

Deno.test("mountOverlay() throws EROFS instead of mounting read-only", async () => {
  using space = workspace();
  // No line for host root: the kernel can't write to work and falls back to read-only.
  using upper = await createUserNamespace(await buildHelper(space.path), mapOf(BASE_ID));
  const mount = () =>
    mountOverlay({
      lowers: [space.at("lower")],
      upperParent: space.at("layers"),
      upperNamespace: upper.fd,
      target: space.at("target"),
    });

  assert.throws(mount, (error) => error instanceof SysError && error.code === "EROFS");
  assert.deepEqual(mountsBelow(space.path), []);
});

Deno.test("mountOverlay() throws and leaks nothing when a directory is missing", () => {
  using space = workspace();
  const before = openDescriptors();
  const mount = () =>
    mountOverlay({
      lowers: [space.at("lower")],
      upperParent: space.at("layers/upper"), // Holds neither upper nor work.
      target: space.at("target"),
    });

  assert.throws(mount, { name: "SysError", message: /ENOENT/ });
  assert.deepEqual(openDescriptors(), before);
});
