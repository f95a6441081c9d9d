/** `security.syscalls.intercept.mount.fuse` with a real FUSE: fuse2fs of Debian's mounts an ext4 disk. */
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { DebianWorld } from "./debian_world.ts";
import { debianFolder, isMet } from "./needs.ts";

const NAME = "f1";
/** fuse2fs writes no journal. */
const MKFS = ["-q", "-O", "^has_journal"];
const INTERCEPT = "security.syscalls.intercept.mount";

async function testFuse(): Promise<void> {
  await using world = await DebianWorld.open(debianFolder());
  const { folder } = world.daemon;
  await Deno.mkdir(`${folder}/files`);
  await Deno.writeTextFile(`${folder}/files/hello`, "world\n");
  await must(["truncate", "-s", "16M", `${folder}/disk.img`]);
  await must(["mkfs.ext4", ...MKFS, "-d", `${folder}/files`, `${folder}/disk.img`]);
  const loop = (await must(["losetup", "--find", "--show", `${folder}/disk.img`])).trim();
  await world.lxc("init", "debian", NAME);
  // All of systemd is not needed for this.
  await world.lxc("config", "set", NAME, "raw.lxc", "lxc.init.cmd = /bin/sleep infinity");
  await world.lxc(
    "config",
    "device",
    "add",
    NAME,
    "d",
    "unix-block",
    `source=${loop}`,
    "path=/dev/d",
  );
  await world.lxc("start", NAME);
  const mount = ["mount", "-t", "ext4", "/dev/d", "/mnt"];
  const { status } = await world.daemon.try(["exec", NAME, "--", ...mount]);
  assert.notEqual(status, 0, "the kernel alone does not let it");

  await world.lxc("stop", "--force", NAME);
  await world.lxc("config", "set", NAME, `${INTERCEPT}=true`, `${INTERCEPT}.fuse=ext4=fuse2fs`);
  await world.lxc("start", NAME);
  await world.exec(NAME, ...mount);

  assert.match(await world.exec(NAME, "cat", "/proc/mounts"), /^\S+ \/mnt fuse\S* /m);
  assert.equal(await world.exec(NAME, "cat", "/mnt/hello"), "world\n");
  await world.exec(NAME, "sh", "-c", "echo new > /mnt/written");
  await world.exec(NAME, "umount", "/mnt");
  await world.lxc("stop", "--force", NAME);
  await Deno.mkdir(`${folder}/seen`);
  await must(["mount", "-o", "ro", loop, `${folder}/seen`]);
  assert.equal(await Deno.readTextFile(`${folder}/seen/written`), "new\n");
  await must(["umount", `${folder}/seen`]);
  await must(["losetup", "--detach", loop]);
}

if (isMet("debian")) {
  Deno.test("fuse: a mount of ext4 is done by fuse2fs of the container", testFuse);
}
