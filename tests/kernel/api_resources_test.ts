/** Projects, images, pools and networks of the real daemon, over its unix socket. */
import { type Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { emptyImage } from "#tests/fakes/image.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let daemon: TestDaemon;
let api: Api;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start({ ...OURS });
  api = apiOf(daemon);
});
Deno.test.afterAll(() => daemon[Symbol.asyncDispose]());

const IMAGE = emptyImage();

async function upload(path: string, headers: Record<string, string> = {}): Promise<string> {
  const { fingerprint } = await api.do("POST", path, undefined, { raw: IMAGE, headers });
  return fingerprint;
}

Deno.test("api: each resource that can be changed has an ETag that holds for it", async () => {
  await api.do("POST", "/1.0/storage-pools", { name: "tagpool", driver: "dir" });
  await api.do("POST", "/1.0/networks", {
    name: "tagbr0",
    config: { "ipv4.address": "none", "ipv6.address": "none" },
  });
  await api.do("POST", "/1.0/projects", { name: "tagproject" });
  const fingerprint = await upload("/1.0/images");
  await api.do("POST", "/1.0/images/aliases", { name: "tagalias", target: fingerprint });
  const paths = [
    "/1.0",
    "/1.0/profiles/default",
    "/1.0/storage-pools/tagpool",
    "/1.0/networks/tagbr0",
    "/1.0/projects/tagproject",
    `/1.0/images/${fingerprint}`,
    "/1.0/images/aliases/tagalias",
  ];
  for (const path of paths) {
    const { headers } = await api.ask("GET", path);
    const patch = (tag: string) => api.ask("PATCH", path, {}, { headers: { "if-match": tag } });

    assert.equal((await patch("0".repeat(64))).status, 412, path);
    assert.equal((await patch(String(headers.etag))).status, 200, path);
  }
  await api.do("DELETE", `/1.0/images/${fingerprint}`);
  await api.do("DELETE", "/1.0/projects/tagproject");
  await api.do("DELETE", "/1.0/networks/tagbr0");
  await api.do("DELETE", "/1.0/storage-pools/tagpool");
});

Deno.test("api: projects have their own profiles, images and volumes, and share networks", async () => {
  await api.do("POST", "/1.0/projects", { name: "blue", description: "the blue one" });
  await api.do("POST", "/1.0/profiles?project=blue", { name: "only-blue" });

  assert.deepEqual(await api.get("/1.0/profiles?project=blue"), [
    "/1.0/profiles/default?project=blue",
    "/1.0/profiles/only-blue?project=blue",
  ]);
  assert.equal((await api.fails("GET", "/1.0/profiles/only-blue"))[0], 404);
  const fingerprint = await upload("/1.0/images?project=blue");
  assert.deepEqual(await api.get("/1.0/images"), []);
  const shown = await api.get("/1.0/projects/blue");
  assert.deepEqual(shown.used_by, [
    "/1.0/profiles/default?project=blue",
    "/1.0/profiles/only-blue?project=blue",
    `/1.0/images/${fingerprint}?project=blue`,
  ]);
  assert.equal(shown.config["features.images"], "true");
  assert.equal((await api.fails("DELETE", "/1.0/projects/blue"))[0], 400);
  assert.equal((await api.get("/1.0?project=blue")).environment.project, "blue");
  const { resources } = await api.get("/1.0/projects/blue/state");
  assert.deepEqual(resources.instances, { Limit: -1, Usage: 0 });

  await api.do("DELETE", `/1.0/images/${fingerprint}?project=blue`);
  await api.do("DELETE", "/1.0/profiles/only-blue?project=blue");
  await api.do("POST", "/1.0/projects/blue", { name: "green" });
  assert.equal((await api.fails("GET", "/1.0/profiles?project=blue"))[0], 404);
  await api.do("DELETE", "/1.0/projects/green");
});

Deno.test("api: an image is uploaded, described, aliased, exported byte by byte and deleted", async () => {
  const headers = { "x-lxd-properties": "os=Something&release=1", "x-lxd-public": "1" };
  const fingerprint = await upload("/1.0/images", headers);
  const path = `/1.0/images/${fingerprint}`;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", IMAGE));
  assert.equal(fingerprint, digest.toHex());

  const image = await api.get(path.slice(0, -40));
  assert.deepEqual(
    [image.type, image.architecture, image.public, image.size, image.profiles],
    ["container", "x86_64", true, IMAGE.length, ["default"]],
  );
  assert.equal(new Date(image.expires_at).getTime(), 1_900_000_000_000);
  assert.deepEqual(image.properties, {
    os: "Something",
    release: "1",
    description: "An image of nothing",
  });
  assert.match(
    (await api.fails("POST", "/1.0/images/aliases", { name: "a", target: "ffff" }))[1],
    /not f/,
  );
  await api.do("POST", "/1.0/images/aliases", { name: "a/b", target: fingerprint });
  assert.equal((await api.get("/1.0/images/aliases/a%2Fb")).target, fingerprint);
  assert.equal((await api.get(path)).aliases[0].name, "a/b");
  await api.do("PATCH", path, { profiles: [], expires_at: "2040-01-02T00:00:00Z" });
  const changed = await api.get(path);
  assert.deepEqual([changed.profiles, changed.expires_at], [[], "2040-01-02T00:00:00Z"]);

  const exported = await must([
    "curl",
    "-s",
    "--unix-socket",
    api.socketPath,
    "-o",
    "-",
    `http://x${path}/export`,
  ]);
  assert.equal(exported, new TextDecoder().decode(IMAGE));
  const twice = await api.ask("POST", "/1.0/images", undefined, { raw: IMAGE });
  const { status, err } = await api.get(`${twice.body.operation}/wait`);
  assert.deepEqual([status, err], ["Failure", "Image with same fingerprint already exists"]);
  await api.do("DELETE", path);
  assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/images`)], []);
});

Deno.test("api: an image that lies about its fingerprint is refused, and nothing of it stays", async () => {
  const answer = await api.ask("POST", "/1.0/images", undefined, {
    raw: IMAGE,
    headers: { "x-lxd-fingerprint": "0".repeat(64) },
  });

  assert.equal(answer.status, 400);
  assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/images`)], []);
});

Deno.test("api: a storage pool and its volumes", async () => {
  await api.do("POST", "/1.0/storage-pools", { name: "s1", driver: "dir", description: "one" });
  await api.do("POST", "/1.0/storage-pools/s1/volumes/custom", { name: "v1", description: "vol" });

  const pool = await api.get("/1.0/storage-pools/s1");
  assert.deepEqual([pool.driver, pool.status, pool.description], ["dir", "Created", "one"]);
  assert.deepEqual(pool.used_by, ["/1.0/storage-pools/s1/volumes/custom/v1"]);
  assert.equal((await api.fails("DELETE", "/1.0/storage-pools/s1"))[0], 400);
  const volume = await api.get("/1.0/storage-pools/s1/volumes/custom/v1");
  assert.deepEqual([volume.type, volume.content_type, volume.description], [
    "custom",
    "filesystem",
    "vol",
  ]);
  const { space } = await api.get("/1.0/storage-pools/s1/resources");
  assert.ok(space.total > space.used);
  assert.equal(
    (await api.fails("POST", "/1.0/storage-pools", { name: "s1", driver: "dir" }))[0] >= 400,
    true,
  );
  await api.do("DELETE", "/1.0/storage-pools/s1/volumes/custom/v1");
  await api.do("DELETE", "/1.0/storage-pools/s1");
  assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/storage-pools`)], []);
});

Deno.test("api: a network has its bridge, a state and leases; it is refused where it is used", async () => {
  const config = { "ipv4.address": "10.213.7.1/24", "ipv6.address": "none" };
  await api.do("POST", "/1.0/networks", { name: "apibr0", config, description: "net" });
  const devices = { eth0: { type: "nic", network: "apibr0" } };
  await api.do("POST", "/1.0/profiles", { name: "onnet", devices });

  const network = await api.get("/1.0/networks/apibr0");
  assert.deepEqual(network.used_by, ["/1.0/profiles/onnet"]);
  assert.deepEqual([network.type, network.managed, network.description], [
    "bridge",
    true,
    "net",
  ]);
  const state = await api.get("/1.0/networks/apibr0/state");
  assert.ok(state.addresses.some(({ address }: { address: string }) => address === "10.213.7.1"));
  assert.equal(typeof state.counters.bytes_received, "number");
  const [gateway, ...others] = await api.get("/1.0/networks/apibr0/leases");
  assert.deepEqual([gateway.address, gateway.type, others], ["10.213.7.1", "gateway", []]);
  assert.equal((await api.fails("DELETE", "/1.0/networks/apibr0"))[0], 400);
  await api.do("DELETE", "/1.0/profiles/onnet");
  await api.do("DELETE", "/1.0/networks/apibr0");
  const links = await must(["nsenter", "-t", `${daemon.pid}`, "-n", "ip", "-o", "link"]);
  assert.doesNotMatch(links, /apibr0/);
});

Deno.test("api: a project with its own networks doesn't see those of the default one", async () => {
  await api.do("POST", "/1.0/projects", {
    name: "netted",
    config: { "features.networks": "true" },
  });
  await api.do("POST", "/1.0/networks", {
    name: "defbr0",
    config: { "ipv4.address": "none", "ipv6.address": "none" },
  });

  assert.equal((await api.fails("PATCH", "/1.0/networks/defbr0?project=netted", {}))[0], 404);
  assert.ok(
    !(await api.get("/1.0/networks?project=netted")).some((url: string) => /defbr0/.test(url)),
  );
  await api.do("DELETE", "/1.0/networks/defbr0");
  await api.do("DELETE", "/1.0/projects/netted");
});

Deno.test("api: instances are refused before anything is made", async () => {
  const [noPool, why] = await api.fails("POST", "/1.0/instances", {
    name: "x1",
    source: { type: "none" },
  });
  assert.ok(noPool >= 400);
  assert.match(why, /root device/);
  const source = { type: "image", alias: "nothing" };
  assert.equal((await api.fails("POST", "/1.0/instances", { name: "x1", source }))[0], 404);
  assert.equal((await api.fails("POST", "/1.0/instances", { name: "-x", source }))[0], 400);
  assert.deepEqual(await api.get("/1.0/instances?all-projects=true"), []);
  assert.deepEqual(await api.get("/1.0/containers"), []);
});

Deno.test("api: an instance of any project is in the list of all", async () => {
  await api.do("POST", "/1.0/storage-pools", { name: "all", driver: "dir" });
  await api.do("POST", "/1.0/projects", { name: "far" });
  const body = {
    name: "hidden",
    source: { type: "none" },
    devices: { root: { type: "disk", path: "/", pool: "all" } },
    profiles: ["used"],
  };
  await api.do("POST", "/1.0/profiles?project=far", { name: "used" });
  await api.do("POST", "/1.0/instances?project=far", body);

  assert.deepEqual(await api.get("/1.0/instances"), []);
  assert.deepEqual(await api.get("/1.0/instances?all-projects=true"), [
    "/1.0/instances/hidden?project=far",
  ]);
  const [one] = await api.get("/1.0/instances?all-projects=true&recursion=2");
  assert.deepEqual([one.project, one.state.status], ["far", "Stopped"]);
  assert.equal((await api.get("/1.0/projects/far/state")).resources.instances.Usage, 1);
  assert.deepEqual((await api.get("/1.0/storage-pools/all")).used_by, [
    "/1.0/instances/hidden?project=far",
  ]);
  const profile = "/1.0/profiles/used?project=far";
  assert.deepEqual((await api.get(profile)).used_by, ["/1.0/instances/hidden?project=far"]);
  assert.equal((await api.fails("DELETE", profile))[0], 400);
  await api.do("DELETE", "/1.0/instances/hidden?project=far");
  await api.do("DELETE", profile);
  await api.do("DELETE", "/1.0/projects/far");
  await api.do("DELETE", "/1.0/storage-pools/all");
});
