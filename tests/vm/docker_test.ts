/**
 * Debian's docker.io in a container with the guide's profile `docker`: unprivileged, confined, on cgroup
 * v2, with Docker's defaults (overlay2, a bridge, rules of the firewall). And Debian itself in there:
 * systemd boots whole, reboots and powers off from inside.
 */
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { DebianWorld, until } from "./debian_world.ts";
import { debianFolder, isMet } from "./needs.ts";

const NAME = "d1";
const MIB = 2 ** 20;
/** This kernel has no nft rules for IP: Docker's go by what was there before. */
const MODULES = "ip_tables,iptable_nat,iptable_filter,xt_MASQUERADE,xt_conntrack,xt_addrtype";
const IPTABLES = ["iptables", "ip6tables"];

/** A tarball of a root with nothing but busybox. */
async function busyboxTarball(folder: string): Promise<string> {
  await Deno.mkdir(`${folder}/root/bin`, { recursive: true });
  await Deno.copyFile("/bin/busybox", `${folder}/root/bin/busybox`);
  await Deno.symlink("busybox", `${folder}/root/bin/sh`);
  await must(["tar", "-C", `${folder}/root`, "-cf", `${folder}/busybox.tar`, "."]);
  return `${folder}/busybox.tar`;
}

async function launch(world: DebianWorld): Promise<void> {
  const modules = (await world.lxc("profile", "get", "docker", "linux.kernel_modules")).trim();
  await world.lxc("init", "debian", NAME, "-p", "default", "-p", "docker");
  await world.lxc("config", "set", NAME, "linux.kernel_modules", `${modules},${MODULES}`);
  await world.lxc("config", "set", NAME, "limits.memory", "1GiB");
  for (const program of IPTABLES) {
    const choice = `${NAME}/etc/alternatives/${program}`;
    await world.lxc("file", "delete", choice);
    await world.lxc("file", "create", "--type=symlink", choice, `/usr/sbin/${program}-legacy`);
  }
  await world.lxc("start", NAME);
}

async function testDocker(): Promise<void> {
  await using world = await DebianWorld.open(debianFolder());
  const docker = (...args: string[]) => world.exec(NAME, "docker", ...args);
  const busybox = (...args: string[]) => docker("run", "--rm", ...args);
  await launch(world);
  await world.untilBooted(NAME);
  const pid = await world.pid(NAME);
  assert.doesNotMatch(await Deno.readTextFile(`/proc/${pid}/uid_map`), /^\s*0\s+0\s/);
  assert.match(await Deno.readTextFile(`/proc/${pid}/attr/current`), /^lxd-d1_.*\(enforce\)/);
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(await world.exec(NAME, "cat", "/proc/meminfo"));
  assert.equal(Number(total?.[1]) * 1024, 1024 * MIB, "lxcfs shows its limit");

  const info = JSON.parse(await docker("info", "--format", "{{json .}}"));
  assert.deepEqual([info.Driver, info.CgroupVersion], ["overlay2", "2"]);
  assert.match(await world.exec(NAME, "iptables", "-t", "nat", "-S"), /172\.17\.0\.0.*MASQUERADE/);

  const tarball = await busyboxTarball(world.daemon.folder);
  await world.lxc("file", "push", tarball, `${NAME}/root/busybox.tar`);
  await docker("import", "/root/busybox.tar", "local/busybox");
  assert.equal(await busybox("local/busybox", "/bin/busybox", "echo", "hello"), "hello\n");
  const shell = "busybox cat /sys/fs/cgroup/memory.max && busybox ip addr show dev eth0 &&" +
    " busybox ping -c1 -W20 172.17.0.1";
  const said = await busybox("--memory=50m", "local/busybox", "/bin/sh", "-c", shell);
  assert.match(said, new RegExp(`^${50 * MIB}\n`), "its limit");
  assert.match(said, /inet 172\.17\.0\.\d+\/16/, "its address on Docker's bridge");
  assert.match(said, /1 packets received/, "and it reaches the bridge");

  await world.daemon.try(["exec", NAME, "--", "systemctl", "reboot"]);
  await until(async () => {
    const now = await world.pid(NAME);
    return now > 0 && now !== pid;
  }, "the reboot");
  await world.untilBooted(NAME);
  assert.equal(await busybox("local/busybox", "/bin/busybox", "echo", "again"), "again\n");

  await world.daemon.try(["exec", NAME, "--", "systemctl", "poweroff"]);
  await until(async () => await world.status(NAME) === "STOPPED", "the end");
}

if (isMet("docker")) {
  Deno.test("docker: Debian's, in a container with the guide's profile", testDocker);
}
