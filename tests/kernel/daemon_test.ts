/** The life of the daemon, as service files, init systems and scripts written for LXD see it. */
import { Api } from "#tests/world/api.ts";
import { CrashWorld } from "#tests/world/crash.ts";
import { OURS } from "#tests/world/daemon.ts";
import { setUp, startInstanceDaemon } from "#tests/world/instances.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { WebSocket } from "ws";

const NAME = `life${Deno.pid}`;
const BRIEF_MS = 10_000;

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-life." });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + BRIEF_MS;
  while (!await isTrue()) {
    assert.ok(performance.now() < end, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);

function spawn(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  return new Deno.Command(OURS.lxd, {
    args: [...args],
    env: { LXD_DIR: `${folder}/lxd`, ...env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

Deno.test('daemon: lxd --logfile F "" --group G is the daemon, as LXD\'s scripts call it', async () => {
  await withFolder(async (folder) => {
    const log = `${folder}/my.log`;
    const daemon = spawn(folder, [
      "--verbose",
      "--trace",
      "x",
      "--logfile",
      log,
      "",
      "--group",
      "daemon",
    ]);
    const env = { LXD_DIR: `${folder}/lxd` };

    await must([OURS.lxd, "waitready", "--timeout=20"], { env });
    const { mode, gid } = await Deno.lstat(`${folder}/lxd/unix.socket`);
    assert.deepEqual([(mode ?? 0) & 0o7777, gid], [0o660, 1]);
    const second = await run([OURS.lxd, "daemon"], { env });
    assert.deepEqual([second.status, /another daemon is running/.test(second.stderr)], [1, true]);
    await must([OURS.lxd, "shutdown", "--timeout=20"], { env });

    assert.equal((await daemon.status).code, 0);
    assert.equal(await exists(`${folder}/lxd/unix.socket`), false);
    const lines = (await Deno.readTextFile(log)).trim().split("\n");
    for (const line of lines) assert.match(line, /^time="[^"]+" level=\w+ msg="/);
    const late = await run([OURS.lxd, "waitready", "--timeout=1"], { env });
    assert.deepEqual([late.status, /still not running after 1s/.test(late.stderr)], [1, true]);
  });
});

Deno.test("daemon: wrong flags and groups are refused with what to do", async () => {
  await withFolder(async (folder) => {
    const refused = async (...args: string[]) => {
      const { status, stderr } = await run([OURS.lxd, ...args], {
        env: { LXD_DIR: `${folder}/lxd` },
      });
      assert.equal(status, 1);
      return stderr;
    };

    assert.match(await refused("--group", "nobodys"), /no group "nobodys"[^]*groupadd/);
    assert.match(await refused("--logfil", ""), /unknown flag --logfil[^]*--logfile/);
    assert.match(await refused("--group"), /--group needs a value/);
  });
});

Deno.test("daemon: its log is JSON when asked, tells requests, and keeps secrets", async () => {
  await withFolder(async (folder) => {
    const log = `${folder}/json.log`;
    const daemon = spawn(folder, ["--debug", "--log-format", "json", "--logfile", log]);
    await must([OURS.lxd, "waitready", "--timeout=20"], { env: { LXD_DIR: `${folder}/lxd` } });
    const api = new Api({ socketPath: `${folder}/lxd/unix.socket` });

    await api.do("PATCH", "/1.0", { config: { "core.trust_password": "open-sesame" } });
    await api.fails("GET", "/1.0/instances/nowhere");
    await must([OURS.lxd, "shutdown"], { env: { LXD_DIR: `${folder}/lxd` } });
    await daemon.status;

    const text = await Deno.readTextFile(log);
    const records = text.trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(records.every(({ time, level, msg }) => time && level && msg));
    const asked = records.find(({ url }) => url === "/1.0/instances/nowhere");
    assert.deepEqual([asked.method, asked.status, asked.level], ["GET", 404, "debug"]);
    assert.ok(!text.includes("open-sesame"));
  });
});

/** As systemd does it: the socket is descriptor 3. */
const ACTIVATE = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(10)
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
`;

Deno.test("daemon: it serves the socket of a service manager, and leaves it there", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/lxd`);
    const socketPath = `${folder}/lxd/unix.socket`;
    const daemon = new Deno.Command("python3", {
      args: ["-c", ACTIVATE, socketPath, OURS.lxd, "--group", "root", "--logfile", `${folder}/log`],
      env: { LXD_DIR: `${folder}/lxd` },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(() => exists(socketPath));

    // Asked before it is up: the socket listens already.
    const server = await new Api({ socketPath }).get("/1.0/instances").catch(() => undefined);
    await must([OURS.lxd, "waitready", "--timeout=20"], { env: { LXD_DIR: `${folder}/lxd` } });
    const shown = await new Api({ socketPath }).get("/1.0");
    daemon.kill("SIGTERM");
    assert.equal((await daemon.status).code, 0);

    assert.ok(server === undefined || Array.isArray(server));
    assert.equal(shown.environment.server_pid, daemon.pid);
    assert.equal(await exists(socketPath), true);
  });
});

Deno.test("daemon: a socket file that nobody answers is replaced", async () => {
  await withFolder(async (folder) => {
    const first = spawn(folder, ["--logfile", `${folder}/log`]);
    const env = { LXD_DIR: `${folder}/lxd` };
    await must([OURS.lxd, "waitready", "--timeout=20"], { env });
    first.kill("SIGKILL");
    await first.status;
    assert.equal(await exists(`${folder}/lxd/unix.socket`), true);

    const second = spawn(folder, ["--logfile", `${folder}/log`]);
    await must([OURS.lxd, "waitready", "--timeout=20"], { env });

    second.kill("SIGINT");
    assert.equal((await second.status).code, 0);
  });
});

Deno.test("daemon: SIGTERM ends it alone, a crash too; SIGPWR ends the instances, and they come back", async () => {
  await using world = await CrashWorld.open();
  const { api } = world;
  await setUp(api, 15);
  const source = { type: "image", alias: "busybox" };
  await api.do("POST", "/1.0/instances", { name: NAME, source, start: true });
  const state = () => api.get(`/1.0/instances/${NAME}/state`);
  const { pid } = await state();

  await world.endDaemon("SIGTERM");
  assert.match(await Deno.readTextFile(`/proc/${pid}/cmdline`), /init/);
  await world.startDaemon();
  assert.equal((await state()).pid, pid);

  const exec = await api.ask("POST", `/1.0/instances/${NAME}/exec`, {
    command: ["sleep", "12345"],
    "wait-for-websocket": true,
    interactive: false,
  });
  const { fds } = exec.body.metadata.metadata;
  const sockets = Object.values(fds).map((secret) =>
    new WebSocket(
      `ws+unix://${world.directory}/unix.socket:${exec.body.operation}/websocket?secret=${secret}`,
    )
  );
  for (const socket of sockets) socket.on("error", () => undefined);
  const sleeps = async () =>
    (await must(["ps", "-eo", "args="])).split("\n").filter((line) => line === "sleep 12345")
      .length;
  await until(async () => await sleeps() === 1);
  const client = run([OURS.lxc, "exec", NAME, "--", "sleep", "12345"], {
    env: { LXD_DIR: world.directory, LXD_CONF: world.folder },
  });
  await until(async () => await sleeps() === 2);
  await world.endDaemon("SIGKILL");
  const { status, stderr } = await client;
  assert.match(`${status} ${stderr}`, /^1 Error: .*connection to the daemon was lost/);
  await world.startDaemon();
  assert.equal((await state()).pid, pid);
  await until(async () => await sleeps() === 0);

  await world.endDaemon("SIGPWR");
  await assert.rejects(Deno.readTextFile(`/proc/${pid}/cmdline`), Deno.errors.NotFound);
  await world.startDaemon();
  await until(async () => (await state()).status === "Running");
});

Deno.test("daemon: programs that it runs get none of its sockets", async () => {
  await using world = await startInstanceDaemon({ subnet: 17 });
  await world.launch(NAME);
  await world.api.get(`/1.0/instances/${NAME}/state`);

  const children = (await must(["pgrep", "-P", `${world.daemon.pid}`])).trim().split("\n");
  const open = children.flatMap((pid) =>
    [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => `/proc/${pid}/fd/${name}`)
  ).map((path) => Deno.readLinkSync(path));

  assert.ok(open.length > 0);
  assert.deepEqual(open.filter((target) => target.startsWith("socket:")), []);
});

Deno.test("daemon: lxd shutdown ends all, unmounts all and empties what LXD empties", async () => {
  const world = await startInstanceDaemon({ subnet: 16 });
  await world.launch(NAME);
  const { daemon, api } = world;
  const { pid } = await api.get(`/1.0/instances/${NAME}/state`);

  await must([OURS.lxd, "shutdown", "--timeout=30"], { env: daemon.env });

  await assert.rejects(Deno.readTextFile(`/proc/${pid}/cmdline`), Deno.errors.NotFound);
  for (const folder of ["containers", "devices", "shmounts", "snapshots", "security/seccomp"]) {
    const left = [...Deno.readDirSync(`${daemon.directory}/${folder}`)].map(({ name }) => name);
    assert.deepEqual(left, [], folder);
  }
  await world[Symbol.asyncDispose]();
});
