import assert from "node:assert/strict";
import { nvidiaLines } from "./nvidia.ts";

const tools = { hook: "/hooks/nvidia", hasCli: true };

function wish(config: Record<string, string>, devices: Record<string, { type: string }> = {}) {
  return { expandedConfig: config, expandedDevices: devices };
}

Deno.test("nvidiaLines() nothing without nvidia.runtime", () => {
  assert.deepEqual(nvidiaLines(wish({ "nvidia.require.cuda": ">=12" }), tools), []);
});

Deno.test("nvidiaLines() refuses where the tools are missing", () => {
  const config = wish({ "nvidia.runtime": "true" });

  assert.throws(
    () => nvidiaLines(config, { ...tools, hook: undefined }),
    /The NVIDIA LXC hook couldn't be found/,
  );
  assert.throws(
    () => nvidiaLines(config, { ...tools, hasCli: false }),
    /The NVIDIA container tools couldn't be found/,
  );
});

Deno.test("nvidiaLines() shows the cards that the devices choose, by their UUIDs", async () => {
  const root = await Deno.makeTempDir();
  await using _cleanup = { [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
  const card = `${root}/sys/class/drm/card0/device`;
  const gpus = `${root}/proc/driver/nvidia/gpus/0000:01:00.0`;
  await Deno.mkdir(card, { recursive: true });
  await Deno.writeTextFile(`${card}/uevent`, "PCI_ID=10DE:1234\nPCI_SLOT_NAME=0000:01:00.0\n");
  await Deno.mkdir(gpus, { recursive: true });
  await Deno.writeTextFile(`${gpus}/information`, "Model: x\nGPU UUID: \t GPU-abc\n");
  const config = { "nvidia.runtime": "true", "nvidia.require.cuda": ">=12" };

  assert.deepEqual(nvidiaLines(wish(config, { g: { type: "gpu" } }), tools, root), [
    ["lxc.environment", "NVIDIA_VISIBLE_DEVICES=GPU-abc"],
    ["lxc.environment", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"],
    ["lxc.environment", "NVIDIA_REQUIRE_CUDA=>=12"],
    ["lxc.hook.mount", "/hooks/nvidia"],
  ]);
  assert.deepEqual(nvidiaLines(wish(config), tools, root)[0], [
    "lxc.environment",
    "NVIDIA_VISIBLE_DEVICES=none",
  ]);
});
