/** The section "Backing store" of the guide: its keys, and a btrfs under the state directory. */
import { apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

Deno.test("guide: the storage keys of LXD 2.0 are understood, or refused with what is missing", async () => {
  await using daemon = await TestDaemon.start(OURS);
  const api = apiOf(daemon);

  const drivers = (await api.get("/1.0")).environment.storage_supported_drivers
    .map(({ Name }: { Name: string }) => Name);
  for (const [key, driver] of [["storage.zfs_pool_name", "zfs"], ["storage.lvm_vg_name", "lvm"]]) {
    const { status, stderr } = await daemon.try(["config", "set", `${key}`, `none${Deno.pid}`]);
    assert.equal(status, 1);
    if (!drivers.includes(driver)) assert.match(stderr, /install|kernel|unknown/i);
    assert.equal(await daemon.lxc(["config", "get", `${key}`]), "\n");
  }
  assert.deepEqual(await api.get("/1.0/storage-pools"), []);
  // A key of a place is kept until a place is named.
  const { stderr } = await daemon.try(["config", "set", "storage.lvm_fstype", "xfs"]);
  assert.match(stderr, /Today: lxc storage set <pool> volume.block.filesystem xfs/);
  assert.equal(await daemon.lxc(["config", "get", "storage.lvm_fstype"]), "xfs\n");
  const bad = await daemon.try(["config", "set", "storage.lvm_fstype", "ntfs"]);
  assert.match(bad.stderr, /want one of btrfs, ext4, xfs/);
});

Deno.test("guide: a btrfs mounted under the state directory is detected and used", async () => {
  let disk = "";
  const daemon = await TestDaemon.start({
    ...OURS,
    prepare: async (directory) => {
      disk = `${directory}.img`;
      await must(["truncate", "--size=1G", disk]);
      await must(["mkfs.btrfs", "--quiet", disk]);
      await must(["mount", "-o", "loop", disk, directory]);
      await Deno.chmod(directory, 0o711);
    },
  });
  try {
    await must([OURS.lxd, "init", "--auto"], { env: daemon.env });
    const root = `${daemon.directory}/storage-pools/default`;
    assert.match(await daemon.lxc(["storage", "show", "default"]), /^driver: btrfs$/m);
    await must([OURS.lxd, "image", "build", "busybox", "--alias", "busybox"], { env: daemon.env });
    const name = `backing${Deno.pid}`;
    await daemon.lxc(["launch", "busybox", name]);
    await daemon.lxc(["snapshot", name, "s"]);
    const list = await must(["btrfs", "subvolume", "list", daemon.directory]);
    assert.match(list, new RegExp(`storage-pools/default/containers/${name}$`, "m"));
    assert.match(list, new RegExp(`storage-pools/default/containers-snapshots/${name}/s$`, "m"));
    await daemon.lxc(["delete", "--force", name]);
    await daemon.lxc(["image", "delete", "busybox"]);
    await daemon.lxc(["profile", "device", "remove", "default", "root"]);
    await daemon.lxc(["storage", "delete", "default"]);
    await assert.rejects(Deno.lstat(root));
  } finally {
    await daemon.stop();
    await run(["umount", "--recursive", daemon.directory]);
    await daemon[Symbol.asyncDispose]();
  }
});
