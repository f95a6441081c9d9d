/** What goes in and out of instances of the real daemon: exec, console, files, logs, metadata. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { ExecStreams, openExec } from "#tests/world/exec.ts";
import assert from "node:assert/strict";
import { connect } from "node:net";

let world: InstanceDaemon;
/** Names that no other daemon on this machine uses: control groups are shared. */
const NAME = `guest${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const at = (path: string) => `${AT}/files?path=${encodeURIComponent(path)}`;
const text = (body: string) => ({ raw: new TextEncoder().encode(body) });

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 12 });
  await world.launch(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Run a script to its end. @returns what it wrote, by its log files. */
async function run(script: string): Promise<{ out: string; err: string; status: number }> {
  const { api } = world;
  const body = { command: ["sh", "-c", script], "record-output": true };
  const { output, return: status } = await api.do("POST", `${AT}/exec`, body);
  const [out, err] = [await api.ask("GET", output["1"]), await api.ask("GET", output["2"])];
  return { out: out.text, err: err.text, status };
}

Deno.test("guest: recorded output stays in log files until they are deleted", async () => {
  const { api } = world;

  assert.deepEqual(await run("echo out; echo err >&2; exit 3"), {
    out: "out\n",
    err: "err\n",
    status: 3,
  });

  const logs: string[] = await api.get(`${AT}/logs`);
  const recorded = logs.filter((url) => url.includes("/exec_"));
  assert.equal(recorded.length, 2);
  for (const url of recorded) await api.do("DELETE", url);
  assert.deepEqual(await api.get(`${AT}/logs`), logs.filter((url) => !url.includes("/exec_")));
  assert.deepEqual(await api.fails("DELETE", recorded[0] ?? ""), [
    404,
    `Log file "${recorded[0]?.split("/").at(-1)}" not found`,
  ]);
});

Deno.test("guest: of the log directory only logs are shown", async () => {
  const { api } = world;
  assert.match((await api.ask("GET", `${AT}/logs/lxc.conf`)).text, /^lxc\./m);

  for (const name of ["..%2f..%2flxd.log", "console.log", "nosuch", "exec_%2e%2e%2flxc.log"]) {
    const [status, error] = await api.fails("GET", `${AT}/logs/${name}`);
    assert.deepEqual([status, error.includes("not valid")], [400, true], name);
  }
  assert.equal((await api.fails("DELETE", `${AT}/logs/lxc.log`))[0], 400);
});

Deno.test("guest: exec says what is missing, refused, killed, and not running", async () => {
  const { api } = world;
  const fails = (body: unknown) => api.fails("POST", `${AT}/exec`, body);

  assert.deepEqual(await fails({ command: ["/nosuch"] }), [400, "Command not found"]);
  assert.deepEqual(await fails({ command: ["/etc"] }), [400, "Command not executable"]);
  assert.equal((await fails({ command: [] }))[0], 400);
  assert.equal((await fails({ command: ["true"], environment: { "a=b": "c" } }))[0], 400);
  assert.equal((await fails({ command: ["a\0b"] }))[0], 400);
  assert.equal((await run("kill -9 $$")).status, 137);
  await world.create(`${NAME}off`);
  const [status, error] = await api.fails("POST", `/1.0/instances/${NAME}off/exec`, {
    command: ["true"],
  });
  assert.deepEqual([status, error.startsWith("Instance is not running")], [400, true]);
  await api.do("DELETE", `/1.0/instances/${NAME}off`);
});

Deno.test("guest: a stranger without the secret gets no stream, and nobody gets one twice", async () => {
  await using exec = await openExec(world.api, AT, { command: ["cat"] }, []);

  await assert.rejects(exec.connect("0", "f".repeat(64)), /403/);
  await exec.connect("0");
  await assert.rejects(exec.connect("0"), /400/);

  await world.api.do("DELETE", `/1.0/operations/${exec.operation.id}`);
  assert.equal((await exec.ended()).status, "Cancelled");
});

Deno.test("guest: without its websockets exec fails after five seconds", async () => {
  const { api } = world;
  const body = { command: ["true"], "wait-for-websocket": true };

  const begun = performance.now();
  const [, error] = await api.fails("POST", `${AT}/exec`, body);

  assert.match(error, /Timed out waiting for websockets/);
  assert.ok(performance.now() - begun > 4000);
});

Deno.test("guest: a program dies with its control, and with its reader where there is none", async () => {
  for (const names of [["0", "1", "2", "control"], ["0", "1", "2"]]) {
    const exec = await openExec(world.api, AT, { command: ["sleep", "1000"] }, names);
    exec.hangUp(names.at(-1) === "control" ? "control" : "1");

    const { metadata } = await exec.ended();
    assert.equal(metadata.return, 137);
    await exec[Symbol.asyncDispose]();
  }
});

Deno.test("guest: a terminal has its size, hears of another, and gets signals", async () => {
  const script = "stty size; trap 'stty size' WINCH; trap 'echo got; exit 7' TERM; echo ready;" +
    " while :; do sleep 0.05; done";
  const body = { command: ["sh", "-c", script], interactive: true, width: 81, height: 25 };
  await using exec = await openExec(world.api, AT, body, ["0", "control"]);
  await exec.until("0", /25 81\r\nready/);

  exec.control({ command: "window-resize", args: { width: "120", height: "40" } });
  await exec.until("0", /40 120/);
  exec.control({ command: "signal", signal: 15 });
  await exec.until("0", /got/);

  assert.equal((await exec.ended()).metadata.return, 7);
});

Deno.test("guest: a reader that stalls holds up the program, not the daemon's memory", async () => {
  const body = { command: ["sh", "-c", "yes | head -c 2000000000"] };
  await using exec = await openExec(world.api, AT, body, ["0", "1", "2", "control"]);
  await exec.until("1", /y\n/);
  exec.stall("1");
  const before = residentMb();

  await new Promise((resolve) => setTimeout(resolve, 3000));

  assert.ok(residentMb() - before < 64, `grew from ${before} to ${residentMb()} MB`);
});

function residentMb(): number {
  const status = Deno.readTextFileSync(`/proc/${world.daemon.pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

Deno.test("guest: files have owner, mode and contents, and are appended to", async () => {
  const { api } = world;
  const headers = { "X-LXD-uid": "1000", "X-LXD-gid": "1001", "X-LXD-mode": "0640" };
  await api.do("POST", at("/root/a"), undefined, { ...text("one"), headers });
  const more = { "X-LXD-write": "append", "X-LXD-mode": "0600" };
  await api.do("POST", at("/root/a"), undefined, { ...text("two"), headers: more });

  assert.equal((await run("stat -c '%u %g %a' /root/a; cat /root/a")).out, "1000 1001 640\nonetwo");
  const { headers: got, text: contents } = await api.ask("GET", at("/root/a"));
  assert.equal(contents, "onetwo");
  const shown = ["uid", "gid", "mode", "type"].map((name) => got[`x-lxd-${name}`]);
  assert.deepEqual(shown, ["1000", "1001", "0640", "file"]);
  assert.match(String(got["x-lxd-modified"]), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/);
  const head = await api.ask("HEAD", at("/root/a"));
  assert.deepEqual([head.status, head.headers["x-lxd-mode"], head.text], [200, "0640", ""]);
  await api.do("DELETE", at("/root/a"));
  assert.equal((await api.ask("HEAD", at("/root/a"))).status, 404);
});

Deno.test("guest: directories are made, listed and removed when they are empty", async () => {
  const { api } = world;
  const headers = { "X-LXD-type": "directory", "X-LXD-uid": "7", "X-LXD-gid": "8" };
  await api.do("POST", at("/root/d"), undefined, { headers });
  await api.do("POST", at("/root/d"), undefined, { headers });
  await api.do("POST", at("/root/d/x y"), undefined, text("x"));

  const { headers: got, body } = await api.ask("GET", at("/root/d"));

  assert.deepEqual([body.metadata, got["x-lxd-type"], got["x-lxd-mode"], got["x-lxd-uid"]], [
    ["x y"],
    "directory",
    "0750",
    "7",
  ]);
  const [status, error] = await api.fails("DELETE", at("/root/d"));
  assert.deepEqual([status, error], [400, `cannot delete "/root/d": directory not empty`]);
  await api.do("DELETE", at("/root/d/x y"));
  await api.do("DELETE", at("/root/d"));
  assert.equal((await api.fails("GET", at("/root/d")))[0], 404);
  assert.equal((await api.fails("DELETE", at("/")))[0], 400);
});

Deno.test("guest: links are made and shown, not followed, by their last part", async () => {
  const { api } = world;
  const headers = { "X-LXD-type": "symlink" };
  await api.do("POST", at("/root/l"), undefined, { ...text("/etc/passwd"), headers });
  await api.do("POST", at("/root/l"), undefined, { ...text("/etc/passwd"), headers });

  const { headers: got, text: target } = await api.ask("GET", at("/root/l"));

  assert.deepEqual([got["x-lxd-type"], target], ["symlink", "/etc/passwd"]);
  const other = await api.ask("POST", at("/root/l"), undefined, { ...text("/else"), headers });
  assert.equal(other.status, 409);
  await api.do("DELETE", at("/root/l"));
  assert.match((await run("cat /etc/passwd")).out, /root/);
});

Deno.test("guest: bad headers and paths are refused before anything is written", async () => {
  const { api } = world;
  const post = (headers: Record<string, string>) =>
    api.ask("POST", at("/root/bad"), undefined, { ...text("x"), headers });

  for (
    const [name, value] of [
      ["type", "fifo"],
      ["write", "prepend"],
      ["uid", "root"],
      ["gid", "4294967295"],
      ["mode", "999999"],
      // The container has no such id.
      ["uid", "4000000000"],
    ]
  ) {
    const { status, body } = await post({ [`X-LXD-${name}`]: value as string });
    assert.equal(status, 400, `${name} ${value}: ${body.error}`);
  }
  assert.equal((await api.fails("GET", at("/root/bad")))[0], 404, "nothing half made");
  assert.equal((await api.fails("GET", `${AT}/files`))[0], 400);
  assert.equal((await api.fails("GET", at("/a\0b")))[0], 400);
  assert.equal((await api.fails("GET", at(`/${"x".repeat(5000)}`)))[0], 400);
  assert.equal((await api.ask("POST", at("/no/such"), undefined, text("x"))).status, 404);
});

Deno.test("guest: no path leads out of a container, whether it runs or not", async () => {
  const { api } = world;
  const secret = `${world.daemon.folder}/secret`;
  await Deno.writeTextFile(secret, "of the host");
  await run(`ln -sfn / /root/up; ln -sfn ../../../../../../../.. /root/dots;
    ln -sfn ${secret} /root/file; ln -sfn ${world.daemon.folder} /root/folder;
    ln -sfn /proc/1/root /root/magic; ln -sfn /proc/self/cwd /root/cwd`);
  const escapes = [
    `/root/up${secret}`,
    `/root/dots${secret}`,
    `/root/folder/secret`,
    `/root/magic${secret}`,
    `/root/cwd${secret}`,
    `/../../../../..${secret}`,
    `/proc/1/root${secret}`,
  ];

  const tryAll = async () => {
    for (const path of escapes) {
      const { status, text } = await api.ask("GET", at(path));
      assert.ok(status === 404 || status === 400, `GET ${path}: ${status} ${text}`);
      const written = await api.ask("POST", at(path), undefined, { raw: new Uint8Array([1]) });
      assert.ok(written.status >= 400, `POST ${path}: ${written.status}`);
    }
    // A last part that is a link to the host's file stays a link, or is made inside.
    await api.ask("POST", at("/root/file"), undefined, text("overwritten"));
    assert.equal(await Deno.readTextFile(secret), "of the host");
  };

  await tryAll();
  await world.setState(NAME, "stop", { force: true });
  await tryAll();
  assert.equal((await api.ask("GET", at("/etc/hostname"))).text.trim(), NAME);
  await api.do("POST", at("/root/later"), undefined, {
    ...text("x"),
    headers: { "X-LXD-uid": "3", "X-LXD-mode": "0600" },
  });
  await world.setState(NAME, "start");
  assert.equal((await run("stat -c '%u %g %a' /root/later")).out, "3 0 600\n");
});

Deno.test("guest: pipes, sockets and devices are never opened, and hold nothing up", async () => {
  const { api } = world;
  await run("mkfifo /root/fifo; mkdir /root/dir");

  for (const path of ["/root/fifo", "/dev/null", "/dev/console"]) {
    const [status, error] = await api.fails("GET", at(path));
    assert.deepEqual([status, error], [400, `cannot read "${path}": not a regular file`]);
    const written = await api.ask("POST", at(path), undefined, text("x"));
    assert.equal(written.status, 400, path);
    assert.equal((await api.ask("HEAD", at(path))).status, 200);
  }
  const [, error] = await api.fails("POST", at("/root/dir"));
  assert.equal(error, `cannot write "/root/dir": is a directory`);
  assert.match((await api.ask("GET", at("/proc/version"))).text, /^Linux/);
});

Deno.test("guest: a frozen container's files are read all the same", async () => {
  const { api } = world;
  await world.setState(NAME, "freeze");

  assert.equal((await api.ask("GET", at("/etc/hostname"))).text.trim(), NAME);

  const [status, error] = await api.fails("POST", `${AT}/exec`, { command: ["true"] });
  assert.deepEqual([status, error.startsWith("Instance is frozen")], [400, true]);
  await world.setState(NAME, "unfreeze");
});

Deno.test("guest: the file server speaks SFTP after an upgrade", async () => {
  const socket = connect(`${world.daemon.directory}/unix.socket`);
  socket.write(
    `GET ${AT}/sftp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: sftp\r\n\r\n`,
  );
  const init = [0, 0, 0, 5, 1, 0, 0, 0, 3];
  const realpath = [0, 0, 0, 19, 16, 0, 0, 0, 9, 0, 0, 0, 10, ...Buffer.from("/etc/../..")];
  socket.write(new Uint8Array([...init, ...realpath]));

  let got = "";
  for await (const chunk of socket) {
    got += Buffer.from(chunk).toString("latin1");
    if (got.includes("\0\0\0\x09\0\0\0\x01")) break;
  }

  assert.match(got, /^HTTP\/1.1 101 Switching Protocols\r\n/);
  assert.ok(got.includes("\x02\0\0\0\x03"), "version 3");
  assert.ok(got.endsWith("\0\0\0\x01/\0\0\0\x01/\0\0\0\0"), JSON.stringify(got));
  socket.destroy();
});

Deno.test("guest: the console is attached to, logged and cleared", async () => {
  const { api } = world;
  await run("echo from inside >/dev/console");
  assert.match((await api.ask("GET", `${AT}/console`)).text, /from inside/);
  const body = { width: 80, height: 24, type: "console" };
  const console = await ExecStreams.start(api, `${AT}/console`, body, ["0", "control"]);
  const second = await ExecStreams.start(api, `${AT}/console`, body, ["0", "control"]);

  assert.match((await second.ended()).err, /already an active connection/);
  await run("echo live >/dev/console");
  await console.until("0", /live/);
  console.hangUp("0");
  assert.equal((await console.ended()).status, "Success");

  await api.do("DELETE", `${AT}/console`);
  assert.ok(!(await api.ask("GET", `${AT}/console`)).text.includes("from inside"));
  await run("echo the last >/dev/console");
  await world.setState(NAME, "stop", { force: true });
  assert.match((await api.ask("GET", `${AT}/console`)).text, /the last/);
  assert.equal((await api.fails("POST", `${AT}/console`, { type: "vga" }))[0], 400);
  await world.setState(NAME, "start");
  for (const one of [console, second]) await one[Symbol.asyncDispose]();
});

Deno.test("guest: metadata and templates are changed as a whole or in part", async () => {
  const { api } = world;
  const before = await api.get(`${AT}/metadata`);
  await api.do("PATCH", `${AT}/metadata`, { properties: { extra: "yes" } });
  const { headers, body } = await api.ask("GET", `${AT}/metadata`);
  assert.deepEqual(body.metadata.properties, { ...before.properties, extra: "yes" });
  const stale = await api.ask("PUT", `${AT}/metadata`, before, { headers: { "If-Match": "x" } });
  assert.equal(stale.status, 412);
  const fresh = { headers: { "If-Match": String(headers.etag) } };
  await api.do("PUT", `${AT}/metadata`, before, fresh);
  assert.deepEqual(await api.get(`${AT}/metadata`), before);
  const outside = { templates: { "/x": { when: ["start"], template: "../x" } } };
  assert.equal((await api.fails("PUT", `${AT}/metadata`, outside))[0], 400);
  const nothing = { architecture: "", creation_date: 0, expiry_date: 0, templates: {} };
  await api.do("PUT", `${AT}/metadata`, { properties: { only: "this" } });
  assert.deepEqual(await api.get(`${AT}/metadata`), { ...nothing, properties: { only: "this" } });
  await world.setState(NAME, "restart", { force: true }); // A start reads it.
  await api.do("PUT", `${AT}/metadata`, before);

  const template = (name: string) => `${AT}/metadata/templates?path=${encodeURIComponent(name)}`;
  await api.do("POST", template("x.tpl"), undefined, text("{{ instance.name }}"));
  assert.equal((await api.ask("GET", template("x.tpl"))).text, "{{ instance.name }}");
  assert.ok((await api.get(`${AT}/metadata/templates`)).includes("x.tpl"));
  await api.do("DELETE", template("x.tpl"));
  assert.equal((await api.fails("DELETE", template("x.tpl")))[0], 404);
  for (const name of ["../metadata.yaml", "..", "a/b", ""]) {
    assert.equal((await api.ask("POST", template(name), undefined, text("x"))).status, 400, name);
  }
});
