/** The protocol of the real daemon over its unix socket, without a client of ours. */
import { EXTENSIONS } from "#api/extensions.ts";
import { type Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { EventStream } from "#tests/world/events.ts";
import { run } from "#tests/world/run.ts";
import { emptyImage } from "#tests/fakes/image.ts";
import assert from "node:assert/strict";

let daemon: TestDaemon;
let api: Api;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  api = apiOf(daemon);
});
Deno.test.afterAll(() => daemon[Symbol.asyncDispose]());

async function upload(): Promise<string> {
  const { fingerprint } = await api.do("POST", "/1.0/images", undefined, { raw: emptyImage() });
  return fingerprint;
}

Deno.test("api: the server shows itself, and what it claims is in LXD's order", async () => {
  assert.deepEqual(await api.get("/"), ["/1.0"]);
  const server = await api.get("/1.0");

  assert.deepEqual(server.api_extensions, EXTENSIONS.map(([name]) => name));
  assert.deepEqual(
    [server.auth, server.api_status, server.api_version, server.auth_methods, server.public],
    ["trusted", "stable", "1.0", ["tls"], false],
  );
  const { environment } = server;
  assert.equal(environment.server_pid, daemon.pid);
  assert.equal(environment.driver, "lxc"); // Not qemu: virtual machines would not start.
  assert.equal(environment.firewall, "nftables");
  assert.equal(environment.kernel_version, Deno.osRelease());
  assert.match(environment.os_name, /\w/);
  assert.match(environment.os_version, /\d/);
  assert.equal(environment.kernel_features.idmapped_mounts, "true");
  assert.equal(environment.lxc_features.pidfd, "true");
  const drivers = environment.storage_supported_drivers.map(({ Name }: { Name: string }) => Name);
  assert.equal(drivers[0], "dir");
  assert.equal(drivers.includes("btrfs"), await hasProgram("mkfs.btrfs"));
});

async function hasProgram(name: string): Promise<boolean> {
  return (await run(["which", name])).status === 0;
}

Deno.test("api: the hardware is that of the host", async () => {
  const { cpu, memory, storage, system, network } = await api.get("/1.0/resources");

  assert.equal(cpu.total, navigator.hardwareConcurrency);
  const threads = cpu.sockets.flatMap((one: { cores: { threads: unknown[] }[] }) =>
    one.cores.flatMap(({ threads }) => threads)
  );
  assert.equal(threads.length, cpu.total);
  assert.ok(memory.total > memory.used && memory.used > 0);
  const disks = [...Deno.readDirSync("/sys/block")].map(({ name }) => name);
  for (const { id, size } of storage.disks) assert.ok(disks.includes(id) && size >= 0, id);
  assert.ok(Array.isArray(network.cards));
  assert.equal(typeof system.type, "string");
  assert.equal(system.uuid === undefined, false);
});

Deno.test("api: unknown fields and wrong types are refused with their path", async () => {
  const cases: readonly (readonly [string, string, unknown, RegExp])[] = [
    ["POST", "/1.0/profiles", { name: "x", confg: {} }, /unknown field "confg".*config/],
    [
      "POST",
      "/1.0/profiles",
      { name: "x", config: { "user.x": 1 } },
      /"config.user.x" must be a s/,
    ],
    ["POST", "/1.0/profiles", { description: "" }, /"name" is missing/],
    ["POST", "/1.0/instances", { name: "x", source: { tipe: "none" } }, /"source.tipe"/],
    ["POST", "/1.0/instances", { name: "x", profiles: [1] }, /"profiles\[0\]" must be a string/],
    ["PUT", "/1.0/instances", { state: { action: "start", timout: 1 } }, /"state.timout"/],
    ["POST", "/1.0/storage-pools", { name: "x", driver: 5 }, /"driver" must be a string/],
    ["POST", "/1.0/networks", [], /must be an object/],
  ];
  for (const [method, path, body, message] of cases) {
    const [status, error] = await api.fails(method, path, body);
    assert.equal(status, 400, error);
    assert.match(error, message);
  }
  const broken = await api.ask("POST", "/1.0/profiles", undefined, {
    raw: new TextEncoder().encode("{"),
    headers: { "content-type": "application/json" },
  });
  assert.deepEqual([broken.status, broken.body.error_code], [400, 400]);
});

Deno.test("api: a body that is missing is not taken for an empty one, which would clear all", async () => {
  const path = "/1.0/profiles/full";
  await api.do("POST", "/1.0/profiles", { name: "full", config: { "user.x": "1" } });
  const before = await api.get(path);

  for (const method of ["PUT", "PATCH", "POST"]) {
    assert.deepEqual(await api.fails(method, path), [
      400,
      "invalid request: the body is missing (Send a JSON object.)",
    ]);
  }

  assert.deepEqual(await api.get(path), before);
  await api.do("DELETE", path);
});

Deno.test("api: unknown paths are 404, unknown methods 501", async () => {
  assert.deepEqual(await api.fails("GET", "/1.0/nothing"), [404, "not found"]);
  assert.equal((await api.fails("PUT", "/1.0/resources"))[0], 501);
  assert.equal((await api.fails("GET", "/1.0/instances/nothing"))[0], 404);
});

Deno.test("api: what is asked of a member of a cluster is not done here", async () => {
  const source = { type: "none" };
  const refused: [string, string, unknown, number][] = [
    ["POST", "/1.0/instances", { name: "there", source }, 400],
    ["POST", "/1.0/instances/there", { name: "here" }, 404],
    ["POST", "/1.0/storage-pools", { name: "there", driver: "dir" }, 404],
    ["POST", "/1.0/networks", { name: "there" }, 404],
    ["GET", "/1.0/resources", undefined, 404],
    ["GET", "/1.0", undefined, 404],
  ];

  for (const [method, path, body, status] of refused) {
    assert.equal((await api.fails(method, `${path}?target=node2`, body))[0], status, path);
  }

  assert.deepEqual(await api.get("/1.0/storage-pools"), []);
  assert.deepEqual(await api.get("/1.0/instances?target=node2"), []);
  assert.ok(await api.get("/1.0?target=none"));
});

Deno.test("api: a method that HTTP does not have is told so, also where the parser knows it not", async () => {
  for (const method of ["BOGUS", "get", "PURGE", "LOCK"]) {
    const { stdout } = await daemon.request(method, "/1.0");
    const { type, error_code, error } = JSON.parse(stdout);
    assert.deepEqual([type, error_code, error], ["error", 404, `Method "${method}" not found`]);
  }
});

Deno.test("api: a profile is created, changed by PUT and PATCH, renamed and deleted", async () => {
  const body = { name: "p1", description: "one", config: { "user.a": "1", "user.b": "2" } };
  const created = await api.ask("POST", "/1.0/profiles", body);
  assert.deepEqual([created.status, created.headers.location], [201, "/1.0/profiles/p1"]);
  assert.equal((await api.fails("POST", "/1.0/profiles", body))[0], 409);

  await api.do("PATCH", "/1.0/profiles/p1", { config: { "user.b": "3" } });
  const { config, description, used_by } = await api.get("/1.0/profiles/p1");
  assert.deepEqual([config, description], [{ "user.a": "1", "user.b": "3" }, "one"]);
  assert.deepEqual(used_by, []);
  await api.do("PUT", "/1.0/profiles/p1", { config: { "user.c": "4" } });
  assert.deepEqual((await api.get("/1.0/profiles/p1")).config, { "user.c": "4" });
  assert.equal((await api.get("/1.0/profiles/p1")).description, "");

  await api.do("POST", "/1.0/profiles/p1", { name: "p2" });
  assert.equal((await api.fails("GET", "/1.0/profiles/p1"))[0], 404);
  await api.do("DELETE", "/1.0/profiles/p2");
  assert.equal((await api.fails("DELETE", "/1.0/profiles/default"))[0], 403);
});

Deno.test("api: names are of any script, but not of control characters or without an end", async () => {
  const created = await api.ask("POST", "/1.0/profiles", { name: "日本 ü" });
  const location = "/1.0/profiles/%E6%97%A5%E6%9C%AC%20%C3%BC";
  assert.deepEqual([created.status, created.headers.location], [201, location]);
  assert.equal((await api.get(location)).name, "日本 ü");
  await api.do("DELETE", location);

  const long = "a".repeat(300);
  for (const name of ["a\0b", "a\nb", "\x7f", "..", "a/b"]) {
    assert.equal((await api.fails("POST", "/1.0/profiles", { name }))[0], 400, name);
    assert.equal((await api.fails("POST", "/1.0/projects", { name }))[0], 400, name);
  }
  for (const name of ["a\0b", "a\nb", "\x7f", "..", "a/b", long]) {
    const pool = { name, driver: "dir" };
    assert.equal((await api.fails("POST", "/1.0/storage-pools", pool))[0], 400, name);
  }
});

Deno.test("api: If-Match protects a change from one that came before", async () => {
  await api.do("POST", "/1.0/profiles", { name: "etag" });
  const { headers, body } = await api.ask("GET", "/1.0/profiles/etag");
  const put = (description: string, tag: string) =>
    api.ask("PUT", "/1.0/profiles/etag", { ...body.metadata, description }, {
      headers: { "if-match": tag },
    });
  const tag = String(headers.etag);
  assert.match(tag, /^"[0-9a-f]{64}"$/);

  assert.equal((await put("first", tag)).status, 200);
  const second = await put("second", tag);

  assert.deepEqual([second.status, second.body.error_code], [412, 412]);
  assert.match(second.body.error, /read it again/);
  assert.equal((await api.get("/1.0/profiles/etag")).description, "first");
  await api.do("DELETE", "/1.0/profiles/etag");
});

Deno.test("api: lists are URLs, objects with recursion, and filtered", async () => {
  await api.do("POST", "/1.0/profiles", { name: "listed", config: { "user.role": "web server" } });

  assert.deepEqual(await api.get("/1.0/profiles"), [
    "/1.0/profiles/default",
    "/1.0/profiles/docker",
    "/1.0/profiles/listed",
  ]);
  const objects = await api.get("/1.0/profiles?recursion=1");
  assert.deepEqual(objects.map(({ name }: { name: string }) => name), [
    "default",
    "docker",
    "listed",
  ]);
  const filter = encodeURIComponent('config.user.role eq "web server"');
  assert.deepEqual(await api.get(`/1.0/profiles?filter=${filter}`), ["/1.0/profiles/listed"]);
  assert.equal((await api.fails("GET", "/1.0/profiles?filter=name"))[0], 400);
  await api.do("DELETE", "/1.0/profiles/listed");
});

Deno.test("api: events tell of changes in the order of their doing, with project and requestor", async () => {
  using stream = await EventStream.open(api.socketPath, "?type=lifecycle&all-projects=true");
  await api.do("POST", "/1.0/projects", { name: "heard" });
  await api.do("POST", "/1.0/profiles?project=heard", { name: "p" });
  await api.do("DELETE", "/1.0/profiles/p?project=heard");
  await api.do("DELETE", "/1.0/projects/heard");

  const last = await stream.find(({ metadata }) => metadata.action === "project-deleted");

  assert.deepEqual(stream.frames.map(({ metadata }) => metadata.action), [
    "project-created",
    "profile-created",
    "profile-deleted",
    "project-deleted",
  ]);
  const created = stream.frames[1]!;
  assert.deepEqual([created.project, created.location, created.metadata.source], [
    "heard",
    "none",
    "/1.0/profiles/p?project=heard",
  ]);
  assert.deepEqual(last.metadata.requestor, { username: "root", protocol: "unix", address: "@" });
});

Deno.test("api: a listener hears its project and its types only", async () => {
  await api.do("POST", "/1.0/projects", { name: "quiet" });
  using here = await EventStream.open(api.socketPath, "?type=lifecycle&project=quiet");
  using operations = await EventStream.open(api.socketPath, "?type=operation");
  await api.do("POST", "/1.0/profiles", { name: "elsewhere" });
  await api.do("DELETE", "/1.0/profiles/elsewhere");
  await api.do("POST", "/1.0/profiles?project=quiet", { name: "p" });
  const fingerprint = await upload();
  await api.do("DELETE", `/1.0/images/${fingerprint}`);

  await here.find(({ metadata }) => metadata.action === "profile-created");
  const deleted = await operations.find(({ metadata }) =>
    metadata.description === "Deleting image" && metadata.status === "Success"
  );

  assert.equal(here.frames.length, 1);
  assert.deepEqual(deleted.metadata.resources.images, [`/1.0/images/${fingerprint}`]);
  assert.ok(operations.frames.every(({ type }) => type === "operation"));
  await api.do("DELETE", "/1.0/profiles/p?project=quiet");
  await api.do("DELETE", "/1.0/projects/quiet");
});

Deno.test("api: an operation is listed, waited for with an end, and kept for a while", async () => {
  await api.do("POST", "/1.0/storage-pools", { name: "ops", driver: "dir" });
  const body = { source: { type: "build", alias: "busybox" } };
  const { status, headers, body: envelope } = await api.ask("POST", "/1.0/images", body);
  assert.deepEqual([status, envelope.status, envelope.status_code, headers.location], [
    202,
    "Operation created",
    100,
    envelope.operation,
  ]);
  assert.deepEqual([envelope.metadata.class, envelope.metadata.description], [
    "task",
    "Building image",
  ]);

  const early = await api.get(`${envelope.operation}/wait?timeout=0`);
  assert.match(early.status, /Running|Success/);
  const ended = await api.get(`${envelope.operation}/wait?timeout=-1`);
  assert.equal(ended.status, "Success");
  assert.deepEqual(await api.get(envelope.operation), ended);
  assert.ok((await api.get("/1.0/operations")).success.includes(envelope.operation));
  assert.equal((await api.get("/1.0/operations?recursion=1")).success[0].class, "task");
  assert.equal((await api.fails("DELETE", envelope.operation))[0], 400);
  assert.equal((await api.fails("GET", "/1.0/operations/nothing"))[0], 404);
  assert.equal((await api.fails("GET", `${envelope.operation}/wait?timeout=x`))[0], 400);
  await api.do("DELETE", `/1.0/images/${ended.metadata.fingerprint}`);
  await api.do("DELETE", "/1.0/storage-pools/ops");
});

Deno.test("api: a build that is no longer wanted is cancelled and leaves nothing", async () => {
  // A mirror that accepts and says nothing, in the daemon's own network.
  const mirror = new Deno.Command("nsenter", {
    args: ["-t", `${daemon.pid}`, "-n", "socat", "TCP-LISTEN:8099,reuseaddr,fork", "PIPE"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const source = { type: "build", alias: "debian/12", server: "http://127.0.0.1:8099/debian" };
  const { status, body } = await api.ask("POST", "/1.0/images", { source });
  assert.equal(status, 202, JSON.stringify(body));
  assert.equal(body.metadata.may_cancel, true);

  await api.do("DELETE", body.operation);
  const ended = await api.get(`${body.operation}/wait?timeout=20`);
  mirror.kill("SIGTERM");
  await mirror.status;

  assert.deepEqual([ended.status, ended.status_code], ["Cancelled", 401]);
  assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/images`)], []);
});

Deno.test("api: warnings are a list", async () => {
  const urls: string[] = await api.get("/1.0/warnings");
  const warnings: { uuid: string; status: string }[] = await api.get("/1.0/warnings?recursion=1");

  assert.deepEqual(urls, warnings.map(({ uuid }) => `/1.0/warnings/${uuid}`));
  for (const { status } of warnings) assert.match(status, /^(new|acknowledged|resolved)$/);
});
