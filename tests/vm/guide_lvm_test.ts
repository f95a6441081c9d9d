/** The guide's "Backing store" with a volume group, as written; and who holds a volume that is busy. */
import { Api } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";
import { logicalVolumes, makeGroup } from "./lvm.ts";

const GROUP = `lxd${Deno.pid}`;

async function testGuide(): Promise<void> {
  await using daemon = await TestDaemon.start(OURS);
  await makeGroup(daemon.folder, GROUP);
  const call = (...args: string[]) => daemon.lxc(args);

  const set = await daemon.try(["config", "set", "storage.lvm_vg_name", GROUP]);
  assert.equal(set.status, 0, set.stderr);
  assert.match(set.stderr, /lxc storage create/);
  assert.equal(await call("config", "get", "storage.lvm_vg_name"), `${GROUP}\n`);
  assert.match(await call("storage", "show", "default"), /^driver: lvm$/m);
  assert.match(await call("storage", "show", "default"), new RegExp(`lvm.vg_name: ${GROUP}`));

  const api = new Api({ socketPath: `${daemon.directory}/unix.socket` });
  await api.do("PATCH", "/1.0/profiles/default", {
    devices: { root: { type: "disk", path: "/", pool: "default", size: "64MiB" } },
  });
  await must([OURS.lxd, "image", "build", "busybox", "--alias", "busybox"], { env: daemon.env });
  await call("launch", "busybox", "c1");
  await call("snapshot", "c1", "s");
  const names = await logicalVolumes(GROUP);
  assert.ok(names.includes("containers_c1") && names.includes("containers_c1-s"), names.join(" "));
  assert.match(await call("exec", "c1", "--", "df", "/"), /containers_c1/);
  await call("stop", "--force", "c1");

  await call("storage", "volume", "create", "default", "data", "size=64MiB");
  const at = `${daemon.directory}/storage-pools/default/custom/default_data`;
  const holder = new Deno.Command("nsenter", {
    args: ["-t", `${daemon.pid}`, "-m", "--", "sh", "-c", `cd "$0" && exec sleep 600`, at],
    stdout: "null",
  }).spawn();
  try {
    while ((await Deno.readTextFile(`/proc/${holder.pid}/comm`)).trim() !== "sleep") {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { status, stderr } = await daemon.try(["storage", "volume", "delete", "default", "data"]);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`it is in use \\(Used by ${holder.pid} \\(sleep\\)`));
    assert.ok((await logicalVolumes(GROUP)).includes("custom_default_data"));
  } finally {
    holder.kill("SIGKILL");
    await holder.status;
  }
  await call("storage", "volume", "delete", "default", "data");
  await call("delete", "c1");
  assert.ok(!(await logicalVolumes(GROUP)).some((name) => /c1|data/.test(name)));
}

if (isMet("lvm")) {
  Deno.test(
    "guide: storage.lvm_vg_name makes a pool of a volume group, whose busy volumes name who holds them",
    testGuide,
  );
}
