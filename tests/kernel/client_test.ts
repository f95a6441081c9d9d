/** The client as people and scripts call it: the built binary, with the real daemon. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { OURS } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `client${Deno.pid}`;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 17 });
  await world.create(NAME, { config: { "user.place": "Büro" }, description: "one" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const lxc = (...args: string[]) => world.daemon.lxc(args, { cwd: world.daemon.folder });
/** For the shell: $LXC is the client. */
const shell = (text: string) =>
  run(["bash", "-c", `set -o pipefail; ${text}`], {
    cwd: world.daemon.folder,
    env: { ...world.daemon.env, LXC: OURS.lxc, LXD: OURS.lxd },
  });

Deno.test("client: a split image goes out as two files and comes in again with its fingerprint", async () => {
  const fingerprint = (await lxc("image", "list", "-f", "csv", "-c", "F")).trim();
  const folder = `${world.daemon.folder}/split`;
  await Deno.mkdir(folder);

  await lxc("image", "export", "busybox", folder);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();
  const [rootfs = "", meta = ""] = names;
  const hash = await must(["sh", "-c", `cat "$1" "$2" | sha256sum`, "sh", meta, rootfs], {
    cwd: folder,
  });
  await lxc("image", "delete", "busybox");
  const said = await lxc("image", "import", `${folder}/${meta}`, `${folder}/${rootfs}`, "a=b");

  assert.match(rootfs, new RegExp(`^${fingerprint}`));
  assert.equal(hash.split(" ")[0], fingerprint);
  assert.equal(said, `Image imported with fingerprint: ${fingerprint}\n`);
  assert.equal(await lxc("image", "get-property", fingerprint.slice(0, 12), "a"), "b\n");
  await lxc("image", "alias", "create", "busybox", fingerprint);
});

Deno.test("client: an instance is published with the compression that is asked for", async () => {
  const said = await lxc("publish", NAME, "--alias", "pub", "--compression", "bzip2", "x=y");
  await lxc("image", "export", "pub", "published");

  const head = (await Deno.readFile(`${world.daemon.folder}/published.tar.bz2`)).subarray(0, 3);
  assert.match(said, /^Instance published with fingerprint: [0-9a-f]{64}\n$/);
  assert.equal(new TextDecoder().decode(head), "BZh");
  assert.match(await lxc("image", "show", "pub"), /^ {2}x: "?y"?$/m);
  await lxc("image", "delete", "pub");
});

Deno.test("client: a snapshot of a running instance is published, again in place of the old image", async () => {
  await lxc("start", NAME);
  await lxc("snapshot", NAME, "s0");
  await lxc("publish", `${NAME}/s0`, "--alias", "pub");
  await lxc("exec", NAME, "--", "touch", "/root/new");
  await lxc("snapshot", NAME, "s1");

  await lxc("publish", `${NAME}/s1`, "--alias", "pub", "--reuse", "x=y");

  assert.equal(await lxc("image", "list", "-f", "csv", "-c", "l"), "busybox\npub\n");
  await lxc("image", "delete", "pub");
  await lxc("stop", NAME, "--force");
  for (const snapshot of ["s0", "s1"]) await lxc("delete", `${NAME}/${snapshot}`);
});

Deno.test("client: an unpacked image is imported; the same one twice is refused", async () => {
  const folder = `${world.daemon.folder}/unpacked`;
  await Deno.mkdir(`${folder}/rootfs/etc`, { recursive: true });
  const metadata = "architecture: x86_64\ncreation_date: 1700000000\n";
  await Deno.writeTextFile(`${folder}/metadata.yaml`, metadata);

  await lxc("image", "import", folder, "--alias", "dir", "--public");
  await lxc("image", "export", "dir", "dir");
  const again = await world.daemon.try(["image", "import", `${world.daemon.folder}/dir.tar.xz`]);

  assert.equal(await lxc("image", "list", "dir", "-f", "csv", "-c", "lpt"), "dir,yes,CONTAINER\n");
  assert.equal(again.status, 1);
  assert.match(again.stderr, /^Error: Image with same fingerprint already exists/);
  await lxc("image", "delete", "dir");
});

Deno.test("client: list has wide letters, keys as columns, filters and all formats", async () => {
  const columns = ["-c", "n,user.place:WHERE"];
  const text = await lxc("list", NAME, ...columns);

  assert.match(
    text,
    new RegExp(`^\\| +NAME +\\| WHERE \\|\\n\\+-+\\+-+\\+\\n\\| ${NAME} \\| Büro {2}\\|$`, "m"),
  );
  assert.equal(await lxc("list", "user.place=Büro", "-f", "csv", "-c", "n"), `${NAME}\n`);
  assert.equal(await lxc("list", "user.place=Flur", "-f", "csv", "-c", "n"), "");
  assert.equal(JSON.parse(await lxc("list", "-f", "json"))[0].description, "one");
  assert.match(await lxc("list", "-f", "yaml"), /^- architecture: x86_64$/m);
});

Deno.test("client: a closed pipe is success; help and errors say where they belong", async () => {
  const piped = await shell(`for i in 1 2 3; do "$LXC" list --format json | true || exit 9; done`);
  const typo = await world.daemon.try(["profil", "list"]);
  const flag = await world.daemon.try(["list", "--nope"]);
  const late = await world.daemon.try(["info", NAME, "--project", "nope", "--debug", "-v"]);

  assert.equal(piped.status, 0, piped.stderr);
  assert.equal(typo.stdout, "");
  assert.match(
    typo.stderr,
    /^Error: unknown command "profil" for "lxc"\n\nDid you mean this\?\n\tprofile\n/,
  );
  assert.equal(flag.stderr, "Error: unknown flag: --nope\n");
  assert.match(late.stderr, /^Error: .*[Pp]roject/);
  assert.deepEqual([typo.status, flag.status, late.status], [1, 1, 1]);
});

Deno.test("client: aliases of the user are added, called with arguments, renamed, removed", async () => {
  await lxc("alias", "add", "names", `list -f csv -c n`);
  await lxc("alias", "rename", "names", "who is");

  assert.equal(await lxc("who", "is"), `${NAME}\n`);
  assert.equal(await lxc("alias", "list", "-f", "csv"), "who is,list -f csv -c n\n");
  await lxc("alias", "remove", "who is");
  assert.equal((await world.daemon.try(["who", "is"])).status, 1);
});

Deno.test("client: the editor opens again with the error on top, until the text is right", async () => {
  const editor = `${world.daemon.folder}/editor`;
  await Deno.writeTextFile(
    editor,
    `#!/bin/sh
cp "$1" "${editor}.$(ls "${editor}".* 2>/dev/null | wc -l)"
if grep -q '^##! ' "$1"; then sed -i 's/^description: .*/description: two/' "$1"
else sed -i 's/^description: .*/description: [/' "$1"; fi
`,
    { mode: 0o755 },
  );

  const call = `script -qec "$LXC config edit ${NAME}" /dev/null`;
  const enter = "while echo; do sleep 0.2; done";
  const { status, stdout } = await shell(`(${enter}) | EDITOR=${editor} ${call}`);

  const second = await Deno.readTextFile(`${editor}.1`);
  assert.ok(status === 0 || status === 141, stdout); // Of the writer of newlines.
  assert.match(second, /^##! Config parsing error: /);
  assert.match(second, new RegExp(`^name: ${NAME}$`, "m"));
  assert.equal(second.includes("expanded_config"), false);
  assert.match(await lxc("config", "show", NAME), /^description: two$/m);
});

Deno.test("client: who edits does not undo what another one changed meanwhile", async () => {
  const editor = `${world.daemon.folder}/slow`;
  const socket = `${world.daemon.directory}/unix.socket`;
  await Deno.writeTextFile(
    editor,
    `#!/bin/sh\ncurl -s --unix-socket "${socket}" -X PATCH -d "$BODY" "http://lxd$URL" >&2\n`,
    { mode: 0o755 },
  );
  const byOther = { config: { "user.by": "other" } };
  const things: readonly [command: string, url: string, body: unknown][] = [
    ["config edit", "/1.0", byOther],
    [`config edit ${NAME}`, `/1.0/instances/${NAME}`, byOther],
    [`config metadata edit ${NAME}`, `/1.0/instances/${NAME}/metadata`, {
      properties: { by: "other" },
    }],
    ["profile edit default", "/1.0/profiles/default", byOther],
    ["project edit default", "/1.0/projects/default", byOther],
    ["storage edit default", "/1.0/storage-pools/default", byOther],
    ["image edit busybox", await imageUrl(), { properties: { by: "other" } }],
  ];

  for (const [command, url, body] of things) {
    const call = `script -qec "$LXC ${command}" /dev/null </dev/null`;
    const env = `EDITOR=${editor} URL=${url} BODY='${JSON.stringify(body)}'`;
    const { stdout } = await shell(`${env} ${call}`);
    assert.match(stdout, /ETag doesn't match/, command);
    assert.match(JSON.stringify(await world.api.get(url)), /"(user.)?by":"other"/, command);
  }
  const undo = { config: { "user.by": "" } };
  for (const url of ["/1.0", "/1.0/profiles/default"]) await world.api.do("PATCH", url, undo);
});

async function imageUrl(): Promise<string> {
  return (await world.api.get("/1.0/images"))[0];
}

Deno.test("client: monitor tells what happens, in order", async () => {
  const { stdout } = await shell(
    `timeout 3 "$LXC" monitor --type=lifecycle --format=json > events & sleep 1;
     "$LXC" config set ${NAME} user.seen=1; wait; cat events`,
  );

  const events = stdout.trim().split(/\n+/).map((line) => JSON.parse(line));
  assert.equal(events[0].metadata.action, "instance-updated");
  assert.equal(events[0].metadata.source, `/1.0/instances/${NAME}`);
});

Deno.test("client: completion knows the instances of the server", async () => {
  const line = await lxc("completion", "line", "lxc start cli");

  assert.equal(line, `${NAME}\n`);
  assert.match(await lxc("completion", "bash"), /^complete .*lxd lxc$/m);
});

Deno.test("client: an ephemeral instance comes back from a restart, and is gone after its stop", async () => {
  const name = `${NAME}e`;
  await lxc("launch", "busybox", name, "--ephemeral");
  const pid = async () => /^PID: (\d+)$/m.exec(await lxc("info", name))?.[1];
  const before = await pid();

  await lxc("restart", "--force", name);
  const after = await pid();
  const [{ ephemeral }] = JSON.parse(await lxc("list", name, "-f", "json"));
  await lxc("stop", "--force", name);

  assert.ok(before !== undefined && after !== undefined && before !== after);
  assert.equal(ephemeral, true);
  assert.equal(await lxc("list", name, "-f", "csv"), "");
});
