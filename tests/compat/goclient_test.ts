/**
 * Debian's own client (package lxd-client, written in Go) drives our daemon through a day's work,
 * and nothing of it is left in the kernel or on disk.
 */
import assert from "node:assert/strict";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import { readTraces } from "#tests/world/traces.ts";
import { pumpThrough, typeInto } from "./streams.ts";

/** Names that no other daemon on this machine uses: control groups are shared. */
const NAME = `goclient${Deno.pid}`;
const GIB = 1024 ** 3;
const DHCP_MS = 15_000;
const GREEN = ["--project", "green"];

let daemon: TestDaemon;
const lxc = (...args: string[]) => daemon.lxc(args);
const status = async (...args: string[]) => (await daemon.try(args)).status;
const inside = (script: string) => lxc("exec", NAME, "--", "sh", "-c", script);

async function setUp(): Promise<void> {
  await lxc("storage", "create", "default", "dir");
  await lxc("profile", "device", "add", "default", "root", "disk", "path=/", "pool=default");
  await lxc("network", "create", "gobr0", "ipv4.address=10.249.7.1/24", "ipv6.address=none");
  await lxc("profile", "device", "add", "default", "eth0", "nic", "network=gobr0", "name=eth0");
}

async function images(folder: string): Promise<void> {
  const build = { source: { type: "build", alias: "busybox" }, aliases: [{ name: "bb" }] };
  await lxc("query", "-X", "POST", "--wait", "-d", JSON.stringify(build), "/1.0/images");
  const [listed] = JSON.parse(await lxc("image", "list", "--format", "json"));
  assert.equal(listed.aliases[0].name, "bb");

  await lxc("image", "export", "bb", `${folder}/bb`);
  await lxc("image", "delete", "bb");
  const parts = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`).toSorted();
  await lxc("image", "import", ...parts, "--alias", "bb");

  const [again] = JSON.parse(await lxc("image", "list", "--format", "json"));
  assert.equal(again.fingerprint, listed.fingerprint, "exported and imported byte by byte");
  assert.match(await lxc("image", "info", "bb"), /Architecture: /);
}

async function launch(): Promise<void> {
  await lxc("launch", "bb", NAME);

  assert.equal(await lxc("list", NAME, "--format", "csv", "-c", "ns"), `${NAME},RUNNING\n`);
  const end = performance.now() + DHCP_MS;
  while (!(await lxc("list", NAME, "--format", "csv", "-c", "4")).includes("10.249.7.")) {
    assert.ok(performance.now() < end, "no address by DHCP");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.match(await lxc("info", NAME), /Status: RUNNING/i);
}

async function execute(): Promise<void> {
  assert.equal(await inside("echo out; echo err >&2"), "out\n");
  assert.equal(await inside("echo $container"), "lxc\n");
  assert.deepEqual(
    await Promise.all(
      [0, 1, 42, 255].map((code) => status("exec", NAME, "--", "sh", "-c", `exit ${code}`)),
    ),
    [0, 1, 42, 255],
  );
  assert.equal(await status("exec", NAME, "--", "/no/such/program"), 127);
  assert.equal(await daemon.lxc(["exec", NAME, "--", "cat"], { stdin: "through\n" }), "through\n");
  assert.equal(await lxc("exec", NAME, "--env", "A=b c", "--", "sh", "-c", "echo $A"), "b c\n");
  const as = ["--user", "1000", "--group", "1001", "--cwd", "/tmp"];
  assert.equal(
    await lxc("exec", NAME, ...as, "--", "sh", "-c", "id -u; id -g; pwd"),
    "1000\n1001\n/tmp\n",
  );
}

async function pipes(): Promise<void> {
  const argv = [DEBIAN.lxc, "exec", NAME, "--", "cat"];

  const { sent, received } = await pumpThrough(argv, daemon.env, GIB);

  assert.deepEqual(received, sent);
}

async function signals(): Promise<void> {
  const child = new Deno.Command(DEBIAN.lxc, {
    args: [
      "exec",
      NAME,
      "--",
      "sh",
      "-c",
      "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done",
    ],
    env: daemon.env,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();

  child.kill("SIGTERM");

  assert.equal((await child.status).code, 9);
  await reader.cancel();
  assert.equal(await status("exec", NAME, "--", "sh", "-c", "kill -KILL $$"), 137);
}

async function terminal(): Promise<void> {
  const screen = await typeInto(
    [DEBIAN.lxc, "exec", NAME, "--", "sh", "-c", "tty; stty size; read line; echo got:$line"],
    { env: daemon.env, rows: 33, columns: 101, input: "typed\n" },
  );

  assert.match(screen, /\/dev\/pts\/\d/);
  assert.match(screen, /33 101/);
  assert.match(screen, /got:typed/);
}

async function files(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/tree/deep`, { recursive: true });
  await Deno.writeTextFile(`${folder}/tree/one`, "1");
  await Deno.writeTextFile(`${folder}/tree/deep/two`, "2");
  const big = crypto.getRandomValues(new Uint8Array(65536));
  await Deno.writeFile(`${folder}/big`, big);

  const owned = ["--uid", "1000", "--gid", "1001", "--mode", "0640"];
  await lxc("file", "push", ...owned, `${folder}/big`, `${NAME}/root/big`);
  assert.equal(await inside("stat -c '%u %g %a %s' /root/big"), "1000 1001 640 65536\n");
  await lxc("file", "pull", `${NAME}/root/big`, `${folder}/back`);
  assert.deepEqual(await Deno.readFile(`${folder}/back`), big);

  await lxc("file", "push", "-r", `${folder}/tree`, `${NAME}/root/`);
  assert.equal(await inside("cat /root/tree/one /root/tree/deep/two"), "12");
  await lxc("file", "pull", "-r", `${NAME}/root/tree`, `${folder}/pulled/`);
  assert.equal(await Deno.readTextFile(`${folder}/pulled/tree/deep/two`), "2");
  await lxc("file", "delete", `${NAME}/root/tree/one`);
  assert.equal(await inside("ls /root/tree"), "deep\n");
  assert.equal(await daemon.lxc(["file", "pull", `${NAME}/root/tree/deep/two`, "-"]), "2");
  assert.notEqual(await status("file", "pull", `${NAME}/root/tree/one`, `${folder}/none`), 0);
}

async function configuration(): Promise<void> {
  await lxc("config", "set", NAME, "user.note=hello", "limits.memory=64MiB");
  assert.equal(await lxc("config", "get", NAME, "user.note"), "hello\n");
  assert.match(await lxc("config", "show", NAME), /user.note: hello/);
  await lxc("config", "unset", NAME, "user.note");
  assert.equal(await lxc("config", "get", NAME, "user.note"), "\n");
  assert.notEqual(await status("config", "set", NAME, "no.such.key=1"), 0);

  await lxc("profile", "create", "extra");
  await lxc("profile", "set", "extra", "environment.FROM=profile");
  await lxc("profile", "add", NAME, "extra");
  assert.equal(await inside("echo $FROM"), "profile\n");
  await lxc("profile", "remove", NAME, "extra");
  assert.equal(await inside("echo $FROM"), "\n");
  await lxc("profile", "delete", "extra");
  assert.match(await lxc("profile", "show", "default"), /network: gobr0/);

  const bare = `${NAME}bare`;
  await lxc("init", "bb", bare, "-d", "root,size=30MiB");
  await lxc("profile", "assign", bare, "");
  assert.match(await lxc("config", "show", bare), /^profiles: \[\]$/m);
  await lxc("delete", bare);
}

async function life(): Promise<void> {
  await lxc("pause", NAME);
  assert.equal(await lxc("list", NAME, "--format", "csv", "-c", "s"), "FROZEN\n");
  await lxc("start", NAME);
  await lxc("restart", "--force", NAME);
  await lxc("snapshot", NAME, "s1");
  await inside("echo changed >/root/after");
  await lxc("stop", "--force", NAME);
  await lxc("restore", NAME, "s1");
  await lxc("start", NAME);
  assert.notEqual(await status("exec", NAME, "--", "test", "-e", "/root/after"), 0);
  assert.notEqual(await status("delete", NAME), 0, "a running instance needs --force");
  await lxc("stop", "--force", NAME);
  await lxc("rename", NAME, `${NAME}b`);
  await lxc("copy", `${NAME}b/s1`, `${NAME}c`);
  await lxc("delete", "--force", `${NAME}b`, `${NAME}c`);
}

/** Of an instance that runs: the copy is made anew from it, and keeps what is its own. */
async function copies(): Promise<void> {
  const [one, two] = [`${NAME}one`, `${NAME}two`];
  const address = (name: string) => lxc("config", "get", name, "volatile.eth0.hwaddr");
  await lxc("launch", "bb", one);
  await lxc("copy", one, two, "--allow-inconsistent");
  const before = await address(two);
  await lxc("config", "set", one, "user.note=new");
  await lxc("exec", one, "--", "touch", "/root/later");
  await lxc("copy", one, two, "--refresh");

  assert.equal(await lxc("config", "get", two, "user.note"), "new\n");
  assert.equal(await address(two), before);
  assert.notEqual(await address(one), before);
  await lxc("start", two);
  await lxc("exec", two, "--", "test", "-e", "/root/later");
  await lxc("delete", "--force", one, two);
}

/** The server does it, which keeps what the instance is; without the extensions lxc copies and deletes. */
async function moves(): Promise<void> {
  const [first, second] = [`${NAME}m`, `${NAME}n`];
  await lxc("storage", "create", "other", "dir");
  await lxc("project", "create", "green", "-c", "features.images=false");
  const root = ["default", "root"];
  await lxc("profile", "device", "add", ...root, "disk", "path=/", "pool=other", ...GREEN);
  await lxc("init", "bb", first);
  const uuid = await lxc("config", "get", first, "volatile.uuid");

  await lxc("move", first, second, "--storage", "other");
  await lxc("move", second, second, "--target-project", "green");
  await lxc("copy", second, first, "--allow-inconsistent", ...GREEN);

  assert.equal(await lxc("config", "get", second, "volatile.apply_template", ...GREEN), "create\n");
  assert.equal(await lxc("config", "get", second, "volatile.uuid", ...GREEN), uuid);
  assert.match(await lxc("config", "show", second, ...GREEN), /pool: other/);
  await lxc("delete", first, second, ...GREEN);

  await lxc("storage", "volume", "create", "other", "vol", "user.mark=1");
  for (const name of ["copied", "moved"]) {
    const way = name === "copied" ? "copy" : "move";
    const target = [`other/${name}`, "--target-project", "green"];
    await lxc("storage", "volume", way, "other/vol", ...target);
    const volume = ["other", name];
    assert.equal(await lxc("storage", "volume", "get", ...volume, "user.mark", ...GREEN), "1\n");
    await lxc("storage", "volume", "delete", ...volume, ...GREEN);
  }
  assert.equal(await lxc("storage", "volume", "list", "other", "--format", "csv"), "");
  await lxc("profile", "device", "remove", ...root, ...GREEN);
  await lxc("project", "delete", "green");
  await lxc("storage", "delete", "other");
}

async function tearDown(): Promise<void> {
  await lxc("image", "delete", "bb");
  await lxc("profile", "device", "remove", "default", "eth0");
  await lxc("profile", "device", "remove", "default", "root");
  await lxc("network", "delete", "gobr0");
  await lxc("storage", "delete", "default");
}

Deno.test("Debian's lxc drives our daemon, and nothing is left", async (test) => {
  await using started = await TestDaemon.start({ lxd: OURS.lxd, lxc: DEBIAN.lxc });
  daemon = started;
  const scratch = await Deno.makeTempDir({ dir: started.folder });
  const exported = `${scratch}/exported`;
  await Deno.mkdir(exported);
  const before = await readTraces(daemon.pid, NAME);

  const steps: readonly (readonly [string, () => Promise<void>])[] = [
    ["storage, network, profile", setUp],
    ["image build, list, export, import, info", () => images(exported)],
    ["launch, list, info, an address by DHCP", launch],
    ["exec: output, exit codes, input, environment, user", execute],
    ["exec: 1 GiB in and out", pipes],
    ["exec: signals", signals],
    ["exec: terminal", terminal],
    ["file: push, pull, delete, trees", () => files(scratch)],
    ["config and profiles", configuration],
    ["pause, restart, snapshot, restore, rename, copy, delete", life],
    ["move and copy between pools and projects", moves],
    ["copy --refresh of a running instance", copies],
    ["delete image, network, pool", tearDown],
  ];
  for (const [name, step] of steps) await test.step(name, step);

  assert.deepEqual(await readTraces(daemon.pid, NAME), before);
  for (const folder of ["containers", "devices", "images", "snapshots", "security/seccomp"]) {
    assert.equal(await must(["ls", "-A", `${daemon.directory}/${folder}`]), "", folder);
  }
});
