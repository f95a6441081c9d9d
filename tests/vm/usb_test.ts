/**
 * Devices of the types usb and unix-hotplug with hardware that comes and goes: QEMU plugs it, the kernel
 * tells, the container follows.
 */
import { Api } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { setUp } from "#tests/world/instances.ts";
import assert from "node:assert/strict";
import { until } from "./debian_world.ts";
import { isMet } from "./needs.ts";
import { HARDWARE, type Hardware, plugHid, UsbPorts } from "./usb.ts";

const NAME = "u1";
const AT = `/1.0/instances/${NAME}`;

let daemon: TestDaemon;
let api: Api;
let ports: UsbPorts;

type Options = Readonly<Record<string, string>>;

const idsOf = (name: Hardware) => ({
  vendorid: HARDWARE[name].vendorid,
  productid: HARDWARE[name].productid,
});
const stick = { type: "usb", ...idsOf("stick") };

const lxc = (...args: string[]) => daemon.lxc(args);
const inside = (...argv: string[]) => lxc("exec", NAME, "--", ...argv);

const setState = (action: string) => api.do("PUT", `${AT}/state`, { action, force: true });

async function create(devices: Readonly<Record<string, Options>>): Promise<void> {
  const source = { type: "image", alias: "busybox" };
  await api.do("POST", "/1.0/instances", { name: NAME, source, devices });
}

/** What a test left: the instance, and hardware that is plugged in. */
async function cleanUp(): Promise<void> {
  const { body } = await api.ask("GET", AT);
  if (body.metadata?.status === "Running") await setState("stop");
  if (body.metadata?.status !== undefined) await api.do("DELETE", AT);
  for (const name of ports.plugged) await unplug(name);
}

/** Device nodes in the running container below a folder, sorted. */
async function nodes(folder: string, start = ""): Promise<string[]> {
  const { pid } = await api.get(`${AT}/state`);
  const walk = (at: string): string[] => {
    try {
      return [...Deno.readDirSync(`/proc/${pid}/root${at}`)].flatMap(({ name, isDirectory }) =>
        isDirectory ? walk(`${at}/${name}`) : [`${at}/${name}`]
      );
    } catch {
      return []; // Ignored: there was nothing yet.
    }
  };
  return walk(folder).filter((path) => path.startsWith(`${folder}/${start}`)).toSorted();
}

const usbNodes = () => nodes("/dev/bus/usb");

/** All of the host. */
function hostNodes(): string[] {
  const root = "/dev/bus/usb";
  return [...Deno.readDirSync(root)]
    .flatMap((bus) =>
      [...Deno.readDirSync(`${root}/${bus.name}`)].map(({ name }) => `${root}/${bus.name}/${name}`)
    )
    .toSorted();
}

/** The node of what is plugged in, on the host. */
function nodeOf(name: Hardware): string | undefined {
  const root = "/sys/bus/usb/devices";
  const read = (path: string) => Deno.readTextFileSync(`${root}/${path}`).trim();
  for (const device of Deno.readDirSync(root)) {
    try {
      if (read(`${device.name}/idVendor`) !== HARDWARE[name].vendorid) continue;
      return `/dev/${/^DEVNAME=(.*)$/m.exec(read(`${device.name}/uevent`))?.[1]}`;
    } catch {
      // Ignored: an interface, or it goes.
    }
  }
  return undefined;
}

/** The node of a disk ("sd") or line ("ttyUSB") comes after the hardware. */
async function comesOnHost(start: string): Promise<string> {
  const find = () => [...Deno.readDirSync("/dev")].find(({ name }) => name.startsWith(start))?.name;
  await until(() => Promise.resolve(find() !== undefined), `/dev/${start}`);
  return `/dev/${find()}`;
}

async function plug(name: Hardware): Promise<string> {
  await ports.plug(name);
  await until(() => Promise.resolve(nodeOf(name) !== undefined), `the ${name}`);
  return nodeOf(name) ?? "";
}

async function unplug(name: Hardware): Promise<void> {
  await ports.unplug(name);
  await until(() => Promise.resolve(nodeOf(name) === undefined), `the end of the ${name}`);
}

const untilNodes = (look: () => Promise<string[]>, wanted: readonly string[]) =>
  until(
    async () => JSON.stringify(await look()) === JSON.stringify(wanted),
    `${wanted.join(" ")}`,
  );

/** The device descriptor, which needs the right to open the node. */
async function assertReadable(node: string, name: Hardware): Promise<void> {
  const { vendorid } = HARDWARE[name];
  const bytes = await inside("sh", "-c", `head -c 18 ${node} | hexdump -e '18/1 "%02x"'`);
  assert.match(bytes, new RegExp(`^1201.{12}${vendorid.slice(2)}${vendorid.slice(0, 2)}`));
}

async function testFollowed(): Promise<void> {
  const first = await plug("stick");
  const other = await plug("tablet");
  await create({ usb: { ...stick, uid: "1000", gid: "5", mode: "0640" } });
  await setState("start");

  assert.deepEqual(await usbNodes(), [first], "not the hubs, nor the tablet");
  assert.match(first, /^\/dev\/bus\/usb\/\d{3}\/\d{3}$/);
  assert.equal(await inside("stat", "-c", "%u %g %a", first), "1000 5 640\n");
  await assertReadable(first, "stick");

  await unplug("stick");
  await untilNodes(usbNodes, []);
  const second = await plug("stick");
  assert.notEqual(second, first);
  await untilNodes(usbNodes, [second]);
  assert.equal(await inside("stat", "-c", "%u %g %a", second), "1000 5 640\n");
  await assertReadable(second, "stick");

  await api.do("PATCH", AT, { devices: { usb: { type: "usb" } } });
  assert.deepEqual((await usbNodes()).toSorted(), hostNodes(), "all, with the hubs, as in LXD");
  await api.do("PATCH", AT, { devices: { usb: { type: "usb", vendorid: "0627" } } });
  assert.deepEqual(await usbNodes(), [other], "another filter, at once");
  await api.do("PATCH", AT, { devices: { usb: { type: "usb", vendorid: "0627", productid: "9" } } })
    .then(() => assert.fail("four digits"), () => undefined);
  await unplug("tablet");
  await untilNodes(usbNodes, []);
}

async function testRequired(): Promise<void> {
  await create({ usb: { ...stick, required: "true" } });

  const [, error] = await api.fails("PUT", `${AT}/state`, { action: "start" });
  assert.match(error, /"usb".*no USB device with vendor "46f4" and product "0001"/);
  assert.equal((await api.get(AT)).status, "Stopped");

  const node = await plug("stick");
  await setState("start");
  assert.deepEqual(await usbNodes(), [node]);
  await unplug("stick");
  await untilNodes(usbNodes, []);
  assert.equal((await api.get(AT)).status, "Running", "it goes on without");
}

async function testConfigured(): Promise<void> {
  const node = await plug("stick");
  await create({});
  await setState("start");
  assert.deepEqual(await usbNodes(), []);

  await lxc("config", "device", "add", NAME, "usb", "usb", "vendorid=46F4");
  assert.deepEqual(await usbNodes(), [node]);
  await assertReadable(node, "stick");
  await lxc("config", "device", "remove", NAME, "usb");
  assert.deepEqual(await usbNodes(), []);
  await unplug("stick");
  await plug("stick");
  await lxc("config", "device", "add", NAME, "late", "usb", "vendorid=0627", "required=false");
  await plug("tablet");
  await until(async () => (await usbNodes()).length > 0, "the tablet");
  assert.deepEqual(await usbNodes(), [nodeOf("tablet")], "the stick is no longer asked for");
}

/** Has a program in the instance opened a socket of NETLINK_KOBJECT_UEVENT? */
async function isListening(): Promise<boolean> {
  const { pid } = await api.get(`${AT}/state`);
  return /^\w+ +15 +[1-9]/m.test(await Deno.readTextFile(`/proc/${pid}/net/netlink`));
}

async function testHotplug(): Promise<void> {
  await create({
    line: { type: "unix-hotplug", ...idsOf("line"), mode: "0604" },
    disk: { type: "unix-hotplug", vendorid: HARDWARE.stick.vendorid, gid: "6" },
  });
  await setState("start");
  const disks = () => nodes("/dev", "sd");
  const lines = () => nodes("/dev", "ttyUSB");
  assert.deepEqual([await disks(), await lines()], [[], []]);
  const listening = inside("uevent", "sh", "-c", "echo $ACTION /dev/$DEVNAME >>/heard")
    .catch(() => undefined); // Ignored: it ends with the container.
  await until(isListening, "uevent");

  await plug("stick");
  await plug("line");
  const [disk, line] = [await comesOnHost("sd"), await comesOnHost("ttyUSB")];
  await untilNodes(disks, [disk]);
  await untilNodes(lines, [line]);
  assert.deepEqual(await usbNodes(), [], "not the USB devices themselves");
  assert.equal(
    await inside("stat", "-c", "%u %g %a %F", disk),
    "0 6 660 block special file\n",
  );
  assert.match(await inside("stat", "-c", "%a %F", line), /^604 character special file/);
  assert.equal(await inside("sh", "-c", `dd if=${disk} bs=1024 2>/dev/null | wc -c`), "1048576\n");
  await inside("stty", "-F", line, "9600");

  await unplug("line");
  await untilNodes(lines, []);
  const { pid } = await api.get(`${AT}/state`);
  const heard = () => Deno.readTextFile(`/proc/${pid}/root/heard`);
  await until(async () => (await heard()).includes(`remove ${line}`), "its end is told");
  assert.deepEqual(
    (await heard()).trim().split("\n").filter((text) => !text.includes("bsg")),
    [`add ${disk}`, `add ${line}`, `remove ${line}`],
  );
  await setState("stop");
  await listening;
}

async function testHid(): Promise<void> {
  await create({ pad: { type: "unix-hotplug", vendorid: "046d", productid: "b342" } });
  await setState("start");
  const raw = () => nodes("/dev", "hidraw");

  const pad = await plugHid(0x046d, 0xb342);
  await untilNodes(raw, [await comesOnHost("hidraw")]);
  pad.close();
  await untilNodes(raw, []);
}

async function testNextDaemon(): Promise<void> {
  const first = await plug("stick");
  await create({ usb: stick, line: { type: "unix-hotplug", ...idsOf("line") } });
  await setState("start");
  let second = "";

  await daemon.replace("SIGTERM", async () => {
    await unplug("stick");
    second = await plug("stick");
    await plug("line");
  });
  assert.notEqual(second, first);
  await untilNodes(usbNodes, [second]);
  await untilNodes(() => nodes("/dev", "ttyUSB"), [await comesOnHost("ttyUSB")]);
  await assertReadable(second, "stick");

  await daemon.replace("SIGKILL", () => Promise.resolve());
  assert.deepEqual(await usbNodes(), [second]);
  await assertReadable(second, "stick");
  await unplug("stick");
  await untilNodes(usbNodes, []);
  await unplug("line");
  await untilNodes(() => nodes("/dev", "ttyUSB"), []);
}

async function testResources(): Promise<void> {
  const node = await plug("stick");
  await plug("line");
  const { usb } = await api.get("/1.0/resources");

  assert.equal(usb.total, 2, "no hubs");
  const ids = usb.devices.map((one: Options) => `${one["vendor_id"]}:${one["product_id"]}`);
  assert.deepEqual(ids.toSorted(), ["0403:6001", "46f4:0001"]);
  const found = usb.devices[ids.indexOf("46f4:0001")];
  const [bus, device] = node.split("/").slice(-2).map(Number);
  assert.deepEqual([found.bus_address, found.device_address], [bus, device]);
  assert.deepEqual([found.product, found.speed], ["QEMU USB HARDDRIVE", 5000]);
  const [storage, ...more] = found.interfaces;
  assert.deepEqual(more, []);
  assert.deepEqual([storage.class_id, storage.subclass_id, storage.driver], [8, 6, "usb-storage"]);
}

if (isMet("usb")) {
  Deno.test.beforeAll(async () => {
    ports = await UsbPorts.open();
    daemon = await TestDaemon.start({ ...OURS, isAlone: true });
    api = new Api({ socketPath: `${daemon.directory}/unix.socket` });
    await setUp(api, undefined);
  });
  Deno.test.afterEach(cleanUp);
  Deno.test.afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    ports?.[Symbol.dispose]();
  });
  Deno.test("usb: what is plugged is there with its owner, and followed", testFollowed);
  Deno.test("usb: without what is required there is no start", testRequired);
  Deno.test("usb: a device set and unset while the hardware is there", testConfigured);
  Deno.test("unix-hotplug: nodes of the hardware come and go, and are told", testHotplug);
  Deno.test("unix-hotplug: a HID device has its own ids", testHid);
  Deno.test("usb: the next daemon finds what changed meanwhile", testNextDaemon);
  Deno.test("usb: the server's resources list it", testResources);
}
