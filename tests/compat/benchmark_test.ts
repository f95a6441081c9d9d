/** lxd-benchmark (Debian's lxd-tools), which makes, starts, stops and deletes instances in batches. */
import { apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const COUNT = 6;

Deno.test("lxd-benchmark drives the daemon through its socket", async () => {
  await using daemon = await TestDaemon.start({ ...OURS });
  const api = apiOf(daemon);
  await api.do("POST", "/1.0/storage-pools", { name: "bench", driver: "dir", config: {} });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "bench" } },
  });
  const source = { type: "build", alias: "busybox" };
  await api.do("POST", "/1.0/images", { source, aliases: [{ name: "tiny" }] });
  const benchmark = async (verb: string, ...args: readonly string[]) => {
    const program = ["/usr/bin/lxd-benchmark", verb, "--parallel", "2", ...args];
    return await must(["nsenter", "-t", `${daemon.pid}`, "-n", "--", ...program], {
      env: daemon.env,
    });
  };
  const statuses = async () => {
    const { body } = await api.ask("GET", "/1.0/instances?recursion=1");
    return body.metadata.map(({ status }: { status: string }) => status);
  };
  const all = (status: string) => Array.from({ length: COUNT }, () => status);

  const launched = await benchmark("launch", "--count", `${COUNT}`, "local:tiny");
  assert.match(launched, /Batch processing completed/);
  assert.deepEqual(await statuses(), all("Running"));
  await benchmark("stop");
  assert.deepEqual(await statuses(), all("Stopped"));
  await benchmark("start");
  assert.deepEqual(await statuses(), all("Running"));
  await benchmark("delete");
  assert.deepEqual(await statuses(), []);
});
