/** Image servers: trees laid out as the public ones and our own, seen by both clients and the daemon. */
import { emptyImage } from "#tests/fakes/image.ts";
import { type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { serverCertificate, serveTree } from "#tests/world/image_server.ts";
import { cloudImagesTree, containerImagesTree } from "#tests/world/image_tree.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let folder: string;
let certificate: Awaited<ReturnType<typeof serverCertificate>>;
let daemon: TestDaemon;
let api: Api;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "images-test." });
  certificate = await serverCertificate(folder);
  daemon = await TestDaemon.start({ ...OURS, env: { SSL_CERT_FILE: certificate.certificate } });
  api = apiOf(daemon);
  await api.do("POST", "/1.0/storage-pools", { name: "images-test", driver: "dir", config: {} });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "images-test" } },
  });
});
Deno.test.afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

/** A client in the network of the daemon. */
const inside = (lxc: string, args: readonly string[]) =>
  run(["nsenter", "-t", `${daemon.pid}`, "-n", "--", lxc, ...args], {
    env: { ...daemon.env, SSL_CERT_FILE: certificate.certificate },
  });

async function lxc(args: readonly string[], program = OURS.lxc): Promise<string> {
  const { status, stdout, stderr } = await inside(program, args);
  assert.equal(status, 0, `${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

async function tree(name: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.mkdir(path);
  return path;
}

async function forget(): Promise<void> {
  for (const { name } of await api.get("/1.0/instances?recursion=1")) {
    await api.do("DELETE", `/1.0/instances/${name}`);
  }
  for (const { fingerprint } of await api.get("/1.0/images?recursion=1")) {
    await api.do("DELETE", `/1.0/images/${fingerprint}`);
  }
}

Deno.test("image server: both clients list and launch from a tree laid out as cloud-images", async () => {
  const path = await tree("cloud");
  const { fingerprint } = await cloudImagesTree(path);
  await using served = await serveTree(daemon, path, { ...certificate, port: 8451 });
  await lxc(["remote", "add", "cloud", served.url, "--protocol", "simplestreams"]);

  for (const [index, program] of [OURS.lxc, DEBIAN.lxc].entries()) {
    const images = JSON.parse(await lxc(["image", "list", "cloud:", "-f", "json"], program));
    assert.equal(images.length, 1, program);
    assert.equal(images[0].fingerprint, fingerprint, program);
    assert.match(await lxc(["image", "info", "cloud:lts"], program), /ubuntu 16.04 LTS/);
    assert.match(await lxc(["image", "alias", "list", "cloud:", "xenial"], program), /xenial/);
    await lxc(["init", "cloud:16.04", `images-c${index}`], program);
  }

  const image = await api.get(`/1.0/images/${fingerprint}`);
  assert.deepEqual(image.update_source, {
    alias: "16.04",
    certificate: "",
    protocol: "simplestreams",
    server: served.url,
    image_type: "container",
  });
  assert.deepEqual([image.cached, image.auto_update, image.public], [true, true, false]);
  assert.equal(image.properties.serial, "20210928");
  assert.equal(served.requests.filter((line) => line.includes(".squashfs 200")).length, 1);
  await lxc(["remote", "remove", "cloud"]);
  await forget();
});

/** What is made in a folder while `run` goes on: trees are built in the trash, then moved. */
async function madeIn(folder: string, run: () => Promise<void>): Promise<Set<string>> {
  const made = new Set<string>();
  const mark = `${folder}/.end`;
  using watcher = Deno.watchFs(folder, { recursive: false });
  await run();
  await Deno.writeTextFile(mark, "");
  for await (const { kind, paths } of watcher) {
    if (paths.includes(mark)) break;
    if (kind === "create") { for (const path of paths) made.add(path); }
  }
  await Deno.remove(mark);
  return made;
}

Deno.test("image server: many launches of one image share one download; a server that is down is not missed", async () => {
  const path = await tree("containers");
  const { fingerprint } = await containerImagesTree(path);
  const source = {
    type: "image",
    alias: "debian/12",
    protocol: "simplestreams",
    server: "https://127.0.0.1:8452",
  };
  const launch = (name: string) =>
    api.do("POST", "/1.0/instances", { name: `images-${name}`, source });
  {
    await using served = await serveTree(daemon, path, { ...certificate, port: 8452 });

    const unpacked = await madeIn(
      `${daemon.directory}/storage-pools/images-test/trash`,
      async () => {
        await Promise.all(Array.from({ length: 20 }, (_, index) => launch(`p${index}`)));
      },
    );

    assert.equal(served.requests.filter((line) => line.includes(".squashfs 200")).length, 1);
    assert.equal(unpacked.size, 1, [...unpacked].join(", "));
  }
  assert.equal((await api.get("/1.0/images")).length, 1);

  await launch("later");

  const { config } = await api.get("/1.0/instances/images-later");
  assert.equal(config["volatile.base_image"], fingerprint);
  await forget();
});

Deno.test("image server: a damaged file is refused, and nothing of it stays", async () => {
  const path = await tree("damaged");
  const { rootfs } = await containerImagesTree(path);
  await Deno.writeTextFile(`${path}/${rootfs}`, "something else");
  await using served = await serveTree(daemon, path, { ...certificate, port: 8453 });

  const [, error] = await api.fails("POST", "/1.0/images", {
    source: { type: "image", alias: "debian/12", protocol: "simplestreams", server: served.url },
  });

  assert.match(error, /cannot trust .*checksum/);
  assert.deepEqual(await api.get("/1.0/images"), []);
  assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/images`)], []);
});

Deno.test("image server: our own tree serves our images, new versions take over, old ones go", async () => {
  const path = `${folder}/own`;
  const raw = emptyImage();
  const { fingerprint } = await api.do("POST", "/1.0/images", undefined, { raw });
  await api.do("POST", "/1.0/images/aliases", { name: "tiny", target: fingerprint });
  const lxd = (...args: string[]) => must([OURS.lxd, "image", ...args], { env: daemon.env });

  await lxd("tree", path, "tiny", "--alias", "smallest");
  await forget();
  await using served = await serveTree(daemon, path, { ...certificate, port: 8454 });
  await lxc(["remote", "add", "own", served.url, "--protocol", "simplestreams"]);
  await lxc(["image", "copy", "own:smallest", "local:", "--alias", "copied", "--auto-update"]);

  assert.equal((await api.get("/1.0/images/aliases/copied")).target, fingerprint);
  await lxc(["image", "export", "own:tiny", `${folder}/exported`]);
  const exported = await Array.fromAsync(Deno.readDir(folder));
  const name = exported.find((one) => one.name.startsWith("exported"))?.name;
  assert.deepEqual(await Deno.readFile(`${folder}/${name}`), raw);
  assert.match(await lxc(["image", "refresh", "copied"]), /already up to date/);
  await lxd("tree", path, "--keep", "1");
  await lxc(["remote", "remove", "own"]);
  await forget();
});

Deno.test("image server: a refreshed image is unpacked where the one before was, which goes when unused", async () => {
  const path = await tree("fresh");
  await api.do("POST", "/1.0/storage-pools", {
    ...{ name: "images-btrfs", driver: "btrfs", config: { size: "300MiB" } },
  });
  const before = await containerImagesTree(path);
  await using served = await serveTree(daemon, path, { ...certificate, port: 8455 });
  const create = (name: string, pool: string) =>
    api.do("POST", "/1.0/instances", {
      name,
      devices: { root: { type: "disk", path: "/", pool } },
      source: {
        ...{ type: "image", alias: "debian/12", protocol: "simplestreams", server: served.url },
      },
    });
  await create("images-b1", "images-btrfs");
  assert.deepEqual(unpackedOn("images-btrfs"), [before.fingerprint]);

  const after = await containerImagesTree(path, "Newer");
  await api.do("POST", `/1.0/images/${before.fingerprint}/refresh`);

  assert.deepEqual(unpackedOn("images-btrfs"), [after.fingerprint]);
  const volumes = "/1.0/storage-pools/images-btrfs/volumes/image";
  const [listed] = await api.get(`${volumes}?recursion=1`);
  assert.equal(listed.name, after.fingerprint);
  assert.deepEqual(listed.used_by, [`/1.0/images/${after.fingerprint}`]);
  assert.deepEqual(unpackedOn("images-test"), [], "nobody launched it there");
  assert.deepEqual(await api.get("/1.0/images"), [`/1.0/images/${after.fingerprint}`]);
  await create("images-b2", "images-btrfs");
  await create("images-d1", "images-test");
  assert.match(await lxc(["file", "pull", "images-b1/etc/hostname", "-"]), /tree/);
  const { config } = await api.get("/1.0/instances/images-b2");
  assert.equal(config["volatile.base_image"], after.fingerprint);

  const last = await containerImagesTree(path, "Newest");
  await api.do("POST", `/1.0/images/${after.fingerprint}/refresh`);

  const both = [after.fingerprint, last.fingerprint].toSorted();
  assert.deepEqual(unpackedOn("images-test"), both, "an overlay still stands on the one before");
  await api.do("DELETE", "/1.0/instances/images-d1");
  assert.deepEqual(unpackedOn("images-test"), [last.fingerprint]);
  assert.deepEqual(unpackedOn("images-btrfs"), [last.fingerprint]);
  await forget();
  assert.deepEqual(await api.get(volumes), []);
  await api.do("DELETE", "/1.0/storage-pools/images-btrfs");
});

/** Fingerprints of the images that are unpacked on a pool, as the daemon sees its mounts. */
function unpackedOn(pool: string): string[] {
  const folder = `/proc/${daemon.pid}/root${daemon.directory}/storage-pools/${pool}/images`;
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

Deno.test("image server: of another server's images those of the project that is named are copied", async () => {
  const address = "127.0.0.1:8456";
  await api.do("PUT", "/1.0", { config: { "core.https_address": address } });
  for (const name of ["from", "to"]) {
    await api.do("POST", "/1.0/projects", { name, config: { "features.images": "true" } });
  }
  const headers = { "X-LXD-public": "1" };
  const raw = emptyImage();
  const { fingerprint } = await api.do("POST", "/1.0/images?project=from", undefined, {
    ...{ raw, headers },
  });
  const { environment } = await api.get("/1.0");
  const source = {
    ...{ type: "image", mode: "pull", protocol: "lxd", server: `https://${address}` },
    ...{ certificate: environment.certificate, fingerprint },
  };

  const [, error] = await api.fails("POST", "/1.0/images?project=to", { source });
  await api.do("POST", "/1.0/images?project=to", { source: { ...source, project: "from" } });

  assert.match(error, /not found/i);
  assert.deepEqual(await api.get("/1.0/images?project=to"), [
    `/1.0/images/${fingerprint}?project=to`,
  ]);
  for (const name of ["from", "to"]) {
    await api.do("DELETE", `/1.0/images/${fingerprint}?project=${name}`);
    await api.do("DELETE", `/1.0/projects/${name}`);
  }
  await api.do("PUT", "/1.0", { config: {} });
});

Deno.test("image server: an unknown authority is refused by client and daemon", async () => {
  const path = await tree("strange");
  await containerImagesTree(path);
  const strange = await Deno.makeTempDir({ dir: folder });
  const other = await serverCertificate(strange);
  await using served = await serveTree(daemon, path, { ...other, port: 8455 });
  await lxc(["remote", "add", "strange", served.url, "--protocol", "simplestreams"]);

  const { status } = await inside(OURS.lxc, ["image", "list", "strange:"]);
  const [, error] = await api.fails("POST", "/1.0/images", {
    source: { type: "image", alias: "debian/12", protocol: "simplestreams", server: served.url },
  });

  assert.equal(status, 1);
  assert.match(error, /cannot reach the image server 127.0.0.1:8455/);
  await lxc(["remote", "remove", "strange"]);
});
