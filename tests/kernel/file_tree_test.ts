/** `file push -r` and `file pull -r`: trees on one connection. */
import { OURS } from "#tests/world/daemon.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `filetree${Deno.pid}`;
let world: InstanceDaemon;
let folder: string;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 34 });
  await world.launch(NAME);
  folder = await Deno.makeTempDir({ prefix: "lxd-file-tree-" });
});
Deno.test.afterAll(async () => {
  await Deno.remove(folder, { recursive: true });
  await world[Symbol.asyncDispose]();
});

const lxc = (...words: string[]) => run([OURS.lxc, "file", ...words], { env: world.daemon.env });

/** Paths, kinds, modes, sizes, owners, targets of links: and a sum of the contents. */
async function shownBy(prefix: readonly string[], path: string): Promise<string> {
  const script = `cd "${path}" && find . | sort | while read -r f; do ` +
    'stat -c "%n %F %a %u %g" "$f"; [ -L "$f" ] && readlink "$f"; ' +
    '[ -f "$f" ] && [ ! -L "$f" ] && md5sum <"$f"; done; true';
  return await must([...prefix, "sh", "-c", script], { env: world.daemon.env });
}

async function makeTree(): Promise<string> {
  const tree = `${folder}/tree`;
  await Deno.mkdir(`${tree}/a/b/empty`, { recursive: true });
  for (let number = 0; number < 40; number++) {
    await Deno.writeTextFile(`${tree}/a/f${number}`, `${number}\n`.repeat(number));
  }
  await Deno.writeFile(`${tree}/a/b/large`, crypto.getRandomValues(new Uint8Array(65536)));
  for (let times = 0; times < 6; times++) {
    const bytes = await Deno.readFile(`${tree}/a/b/large`);
    await Deno.writeFile(`${tree}/a/b/large`, bytes, { append: true });
  }
  await Deno.symlink("../nowhere", `${tree}/a/link`);
  await Deno.chmod(`${tree}/a/f1`, 0o750);
  await Deno.chown(`${tree}/a/f2`, 12, 34);
  await Deno.writeTextFile(`${tree}/a name with spaces, and ünïcode`, "x");
  return tree;
}

Deno.test("file tree: what is pushed and pulled is the same, running or stopped", async () => {
  const tree = await makeTree();
  const here = await shownBy([], tree);

  for (const state of ["running", "stopped"]) {
    if (state === "stopped") await world.setState(NAME, "stop", { force: true });
    const pushed = await lxc("push", "-rp", tree, `${NAME}/root/${state}/`);
    assert.equal(pushed.status, 0, pushed.stderr);
    const pulled = await lxc("pull", "-r", `${NAME}/root/${state}/tree`, `${folder}/${state}/`);
    assert.equal(pulled.status, 0, pulled.stderr);
    // Owners are those of who pulls; the image's busybox prints kinds in its own words.
    const withoutOwner = (text: string) => text.replace(/ \d+ \d+$/gm, "");
    assert.equal(withoutOwner(await shownBy([], `${folder}/${state}/tree`)), withoutOwner(here));
  }
  await world.setState(NAME, "start");
  const inside = await shownBy([OURS.lxc, "exec", NAME, "--"], "/root/running/tree");
  assert.match(inside, /a\/f1 regular file 750 0 0/);
  assert.match(inside, /a\/f2 regular file 644 12 34/);
  assert.match(inside, /a\/link symbolic link 777 0 0\n\.\.\/nowhere/);
});

Deno.test("file tree: a second push writes over files, and keeps folders and links", async () => {
  const tree = `${folder}/second`;
  await Deno.mkdir(`${tree}/d`, { recursive: true });
  await Deno.writeTextFile(`${tree}/d/f`, "before, and longer");
  await Deno.symlink("f", `${tree}/d/l`);
  assert.equal((await lxc("push", "-r", tree, `${NAME}/root`)).status, 0);
  await Deno.writeTextFile(`${tree}/d/f`, "after");
  assert.equal((await lxc("push", "-r", tree, `${NAME}/root`)).status, 0);

  const read = await world.api.ask("GET", `/1.0/instances/${NAME}/files?path=/root/second/d/f`);
  assert.equal(read.text, "after");

  await Deno.remove(`${tree}/d/l`);
  await Deno.symlink("elsewhere", `${tree}/d/l`);
  const refused = await lxc("push", "-r", tree, `${NAME}/root`);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /cannot write "\/root\/second\/d\/l": file exists/);
});

Deno.test("file tree: what can't be pulled is named, and no path leads out", async () => {
  await must([OURS.lxc, "exec", NAME, "--", "sh", "-c", "mkdir /root/odd; mkfifo /root/odd/p"], {
    env: world.daemon.env,
  });
  const odd = await lxc("pull", "-r", `${NAME}/root/odd`, `${folder}/`);
  assert.equal(odd.status, 1);
  assert.match(odd.stderr, /cannot read "\/root\/odd\/p": not a regular file/);

  await must([OURS.lxc, "exec", NAME, "--", "ln", "-s", "/../../../..", "/root/out"], {
    env: world.daemon.env,
  });
  const passwd = await Deno.makeTempDir({ dir: folder });
  assert.equal((await lxc("push", "-r", passwd, `${NAME}/root/out/tmp`)).status, 0);
  const there = await world.api.ask(
    "GET",
    `/1.0/instances/${NAME}/files?path=/tmp/${passwd.split("/").at(-1)}`,
  );
  assert.equal(there.status, 200);
});

Deno.test("file: a link that leads to nothing yet is followed, and not out of the instance", async () => {
  const name = `lxd-file-link-${Deno.pid}`;
  const script = `mkdir -p /root/run /root/etc; ln -s ../run/./${name} /root/etc/relative; ` +
    `ln -s /${name} /root/etc/absolute; ln -s /../../${name}.out /root/etc/up; ` +
    "ln -s missing/x /root/etc/nodir; ln -s loop /root/etc/loop";
  await must([OURS.lxc, "exec", NAME, "--", "sh", "-c", script], { env: world.daemon.env });
  const source = `${folder}/linked`;
  await Deno.writeTextFile(source, "linked");

  for (const link of ["relative", "absolute", "up"]) {
    const pushed = await lxc("push", source, `${NAME}/root/etc/${link}`);
    assert.equal(pushed.status, 0, pushed.stderr);
  }
  for (const place of [`root/run/${name}`, name, `${name}.out`]) {
    const read = await world.api.ask("GET", `/1.0/instances/${NAME}/files?path=/${place}`);
    assert.equal(read.text, "linked", place);
    await assert.rejects(Deno.lstat(`/${place}`), Deno.errors.NotFound);
  }
  const kept = await world.api.ask("GET", `/1.0/instances/${NAME}/files?path=/root/etc/nodir`);
  assert.equal(kept.headers["x-lxd-type"], "symlink");
  for (const [link, why] of [["nodir", /no such file/], ["loop", /symbolic links/]] as const) {
    const refused = await lxc("push", source, `${NAME}/root/etc/${link}`);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, why);
  }
});

Deno.test("file pull -r: a file keeps the name that it is given, a folder goes into one", async () => {
  const at = `${folder}/named`;
  await Deno.mkdir(at);
  const script = "mkdir -p /root/named/tree; echo x >/root/named/file";
  await must([OURS.lxc, "exec", NAME, "--", "sh", "-c", script], { env: world.daemon.env });

  assert.equal((await lxc("pull", "-r", `${NAME}/root/named/file`, `${at}/new`)).status, 0);
  assert.equal((await lxc("pull", "-r", `${NAME}/root/named/tree`, `${at}/made`)).status, 0);
  assert.equal((await lxc("pull", "-r", `${NAME}/root/nothing`, `${at}/not`)).status, 1);

  assert.equal(
    await must(["find", ".", "-mindepth", "1"], { cwd: at }).then(sortLines),
    [
      "./made",
      "./made/tree",
      "./new",
    ].join(),
  );
});

const sortLines = (text: string) => text.trim().split("\n").toSorted().join();
