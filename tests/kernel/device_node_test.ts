/** Device nodes pass the suite of devices; what is special of them is in node_device_test.ts. */
import { type DeviceCase, deviceSuite } from "#tests/suites/device.ts";
import { DeviceWorld, type Options } from "#tests/suites/device_tools.ts";
import assert from "node:assert/strict";
import { findDisk } from "./host_disk.ts";

let world: DeviceWorld;
Deno.test.beforeAll(async () => {
  world = await DeviceWorld.open(31);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The node and the mode that it must have. */
const isNode =
  (path: string, kind: "isCharDevice" | "isBlockDevice") =>
  async (world: DeviceWorld, options: Options): Promise<void> => {
    const info = await Deno.stat(await world.seen(path));
    assert.ok(info[kind]);
    assert.equal((info.mode ?? 0) & 0o777, Number.parseInt(options["mode"] ?? "0660", 8));
  };

const char = { type: "unix-char", source: "/dev/kmsg", path: "/opt/my-node" };
const block = { type: "unix-block", source: "/dev/loop7", path: "/dev/my-disk" };

const disk = await findDisk();

const cases: DeviceCase[] = [
  {
    name: "unix-char",
    options: char,
    changed: { ...char, mode: "0600" },
    assertThere: isNode(char.path, "isCharDevice"),
  },
  {
    name: "unix-block",
    options: block,
    changed: { ...block, mode: "0640" },
    assertThere: isNode(block.path, "isBlockDevice"),
  },
  {
    name: "unix-char that comes later",
    options: { ...char, source: "/dev/not-there-yet", required: "false" },
    assertThere: async () =>
      await assert.rejects(Deno.stat(await world.seen(char.path)), Deno.errors.NotFound),
  },
  {
    name: "usb that nobody has plugged in",
    options: { type: "usb", vendorid: "ffff" },
    changed: { type: "usb", vendorid: "fffe", productid: "0001" },
    assertThere: () => Promise.resolve(),
  },
  {
    name: "none",
    options: { type: "none" },
    assertThere: () => Promise.resolve(),
  },
  ...disk === undefined ? [] : [{
    name: "unix-hotplug",
    options: { type: "unix-hotplug", vendorid: disk.vendorid },
    changed: { type: "unix-hotplug", vendorid: disk.vendorid, mode: "0600" },
    assertThere: isNode(disk.node, "isBlockDevice"),
  }],
];

deviceSuite(() => world, cases);
