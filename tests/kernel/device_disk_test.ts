/** Disks and proxies pass the suite of devices. */
import { type DeviceCase, deviceSuite } from "#tests/suites/device.ts";
import { DeviceWorld, type Options } from "#tests/suites/device_tools.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: DeviceWorld;
let shared: string;
let loop: string;

Deno.test.beforeAll(async () => {
  world = await DeviceWorld.open(33);
  shared = `${world.crash.folder}/shared`;
  await Deno.mkdir(shared);
  await Deno.writeTextFile(`${shared}/hello`, "world");
  await world.api.do("POST", "/1.0/storage-pools/default/volumes/custom", { name: "vol" });
  await Deno.mkdir(`${world.crash.folder}/house/cellar`, { recursive: true });
  await world.host("mount", "-t", "tmpfs", "none", `${world.crash.folder}/house/cellar`);
  await world.host("mkdir", `${world.crash.folder}/house/cellar/wine`);
  await world.api.do("PATCH", "/1.0/profiles/default", { devices: { iso: CLOUD_INIT } });
  const image = `${world.crash.folder}/disk.img`;
  await must(["truncate", "-s", "8M", image]);
  await must(["mkfs.ext4", "-q", "-d", shared, image]);
  loop = (await must(["losetup", "--find", "--show", image])).trim();
  await Deno.symlink(loop, `${world.crash.folder}/disk`);
});
Deno.test.afterAll(async () => {
  await must(["losetup", "--detach", loop]);
  await world[Symbol.asyncDispose]();
});

/** Paths of the test's folder are known only when it is there. */
const inFolder = (options: Options): Options => ({
  ...options,
  get source() {
    return `${world.crash.folder}${options["source"]}`;
  },
});

/** Is it writable as the options say? */
const isMounted = (file: string) => async (world: DeviceWorld, options: Options) => {
  const path = await world.seen(`${options["path"]}${file}`);
  assert.ok(await Deno.stat(path));
  const info = await Deno.readTextFile(`/proc/${await world.pid()}/mountinfo`);
  const line = info.split("\n").find((one) => one.split(" ")[4] === options["path"]) ?? "";
  assert.match(line, options["readonly"] === "true" ? / ro[ ,]/ : / rw[ ,]/);
};

const folder = { type: "disk", source: "/shared", path: "/mnt/folder" };
const volume = { type: "disk", pool: "default", source: "vol", path: "/mnt/volume" };
const block = { type: "disk", source: "/disk", path: "/mnt/block" };
const file = { type: "disk", source: "/shared/hello", path: "/opt/hello" };

/** A folder in which something is mounted. */
const house = { type: "disk", source: "/house", path: "/mnt/house" };
/** For virtual machines: it may be in a profile. */
const CLOUD_INIT = { type: "disk", source: "cloud-init:config" };

async function mountsInside(world: DeviceWorld): Promise<string[]> {
  const info = await Deno.readTextFile(`/proc/${await world.pid()}/mountinfo`);
  return info.split("\n").filter((line) => line.includes(" /mnt/house"));
}

const proxy = (listen: string, connect: string) => ({ type: "proxy", listen, connect });
const isListening = async (world: DeviceWorld, options: Options) => {
  const [, address = ""] = /^\w+:(.*)$/.exec(options["listen"] ?? "") ?? [];
  assert.ok((await world.host("ss", "-ltunx")).includes(`${address} `), address);
};

const socketProxy: Options = {
  ...{ type: "proxy", connect: "tcp:127.0.0.1:7103", mode: "0600" },
  get listen() {
    return `unix:${world.crash.folder}/proxy.sock`;
  },
};

const eth0 = { type: "nic", network: "testbr0", name: "eth0", "ipv4.address": "10.247.33.9" };
const nat = { ...proxy("tcp:10.247.33.1:7003", "tcp:10.247.33.9:80"), nat: "true" };

const cases: DeviceCase[] = [
  {
    name: "disk of a folder",
    options: inFolder({ ...folder, shift: "true" }),
    changed: inFolder({ ...folder, readonly: "true" }),
    assertThere: isMounted("/hello"),
  },
  { name: "disk of a file", options: inFolder(file), assertThere: isMounted("") },
  {
    name: "disk of a folder without what is mounted in it",
    options: inFolder(house),
    changed: inFolder({ ...house, propagation: "unbindable" }),
    async assertThere(world) {
      assert.equal((await mountsInside(world)).length, 1);
      assert.deepEqual([...Deno.readDirSync(await world.seen("/mnt/house/cellar"))], []);
    },
  },
  {
    name: "disk of a folder with what is mounted in it",
    options: inFolder({ ...house, recursive: "true", readonly: "true" }),
    changed: inFolder({ ...house, recursive: "true", propagation: "shared" }),
    async assertThere(world, options) {
      const mounts = await mountsInside(world);
      const isReadonly = options["readonly"] === "true";
      assert.equal(mounts.length, 2);
      for (const line of mounts) assert.match(line, isReadonly ? / ro[ ,]/ : / rw[ ,]/);
      assert.ok(await Deno.stat(await world.seen("/mnt/house/cellar/wine")));
    },
  },
  {
    name: "disk of a volume",
    options: volume,
    changed: { ...volume, readonly: "true" },
    assertThere: isMounted(""),
  },
  {
    name: "disk of a block device with options of its mount",
    options: inFolder({ ...block, "raw.mount.options": "noatime,nosuid" }),
    async assertThere(world) {
      const info = await Deno.readTextFile(`/proc/${await world.pid()}/mountinfo`);
      assert.match(info, / \/mnt\/block \S*nosuid\S*,noatime/);
    },
  },
  {
    name: "disk of a block device",
    options: inFolder(block),
    changed: inFolder({ ...block, readonly: "true" }),
    assertThere: isMounted("/hello"),
  },
  {
    name: "proxy",
    options: proxy("tcp:127.0.0.1:7001", "tcp:127.0.0.1:7101"),
    changed: proxy("udp:127.0.0.1:7002", "udp:127.0.0.1:7102"),
    assertThere: isListening,
  },
  {
    name: "proxy of a unix socket",
    options: socketProxy,
    changed: proxy("unix:@dut33", "unix:/run/dut33.sock"),
    async assertThere(world, options) {
      await isListening(world, options);
      const path = `${world.crash.folder}/proxy.sock`;
      if (options !== socketProxy) return await assert.rejects(Deno.stat(path));
      assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    },
  },
  {
    name: "proxy by rules of the firewall",
    options: nat,
    changed: { ...nat, connect: "tcp:10.247.33.9:81" },
    others: { eth0 },
    async assertThere(world, { connect = "" }) {
      const rules = await world.host("nft", "list", "ruleset");
      assert.ok(rules.includes(connect.replace("tcp:", "dnat ip to ")), rules);
    },
  },
];

deviceSuite(() => world, cases);

Deno.test("disk: its rates change while what is mounted stays", async () => {
  const rates = { "limits.read": "10MB", "limits.write": "100iops" };
  await world.create({ dut: inFolder(folder) });
  await world.setState("start");
  const within = await world.seen("/mnt/folder");
  const enter = ["nsenter", "-t", `${await world.pid()}`, "-m", "--"];
  await must([...enter, "/bin/busybox", "mount", "--bind", "/", "/mnt/folder"]);

  const source = `${world.crash.folder}/shared`;
  await world.setDevice("dut", { ...folder, source, ...rates });

  assert.ok(await Deno.stat(`${within}/bin`));
  await world.remove();
});

Deno.test("disk: one with rates whose source is not there yet does not keep it from starting", async () => {
  const late = { type: "disk", source: "/nowhere/to/be/found", path: "/mnt/late" };
  await world.create({ dut: { ...late, required: "false", "limits.max": "10MB" } });

  await world.setState("start");

  await assert.rejects(Deno.stat(await world.seen("/mnt/late")), Deno.errors.NotFound);
  await world.remove();
});

Deno.test("disk: optional, the old name, says the same as required=false, and not both at a time", async () => {
  const late = { type: "disk", source: "/nowhere/to/be/found", path: "/mnt/late" };
  const both = { ...late, optional: "true", required: "false" };
  await world.create({ dut: { ...late, optional: "true" } });

  await world.setState("start");

  await assert.rejects(world.setDevice("dut", both), /Cannot use both .*deprecated/);
  await world.remove();
});

Deno.test("disk: what only virtual machines have is for profiles", async () => {
  await assert.rejects(world.create({ dut: CLOUD_INIT }), /only supported by virtual machines/);
});
