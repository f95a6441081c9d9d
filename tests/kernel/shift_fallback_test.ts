/** A daemon without idmapped mounts: files are shifted on disk, and back when the mounts work again. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let NAME = "";
let count = 0;
const OFF = { LXD_IDMAPPED_MOUNTS_DISABLE: "1" };
const POOL = "/1.0/storage-pools/default";

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 31 });
});
Deno.test.beforeEach(() => void (NAME = `fallback${Deno.pid}x${++count}`));
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Where the daemon's mounts are. */
const onHost = (...argv: string[]) =>
  must(["nsenter", "-t", `${world.daemon.pid}`, "-m", "--", ...argv]);
const rootfs = (name = NAME) => `${world.daemon.directory}/containers/${name}/rootfs`;
const owner = async (path: string) => (await onHost("stat", "-c", "%u:%g %a", path)).trim();
const inside = (name: string, script: string) =>
  world.daemon.lxc(["exec", name, "--", "sh", "-euc", script]);
const configOf = async (name: string) => (await world.api.get(`/1.0/instances/${name}`)).config;
const baseOf = async (name: string) =>
  JSON.parse((await configOf(name))["volatile.idmap.current"])[0].Hostid;
const stop = (name: string) => world.setState(name, "stop", { force: true });

Deno.test("fallback: an overlay clone becomes a shifted tree at its start, and a plain one again", async () => {
  const { daemon, api } = world;
  await world.launch(NAME, { config: { "boot.autostart": "false" } });
  await inside(NAME, "cp /bin/busybox /suid; chown 7:8 /suid; chmod 6755 /suid");
  await stop(NAME);
  await onHost("setfacl", "-m", "u:9:rwx", `${rootfs()}/suid`);
  await onHost("setcap", "cap_net_raw+ep", `${rootfs()}/bin/busybox`);
  const before = await inTree(rootfs());

  await daemon.restart(OFF);
  assert.equal((await api.get("/1.0")).environment.kernel_features.idmapped_mounts, "false");
  await world.setState(NAME, "start");
  const base = await baseOf(NAME);

  assert.equal(await owner(`${rootfs()}/suid`), `${base + 7}:${base + 8} 6775`);
  assert.match(await onHost("getfacl", "-nc", `${rootfs()}/suid`), new RegExp(`user:${base + 9}:`));
  assert.match(
    await onHost("getcap", "-n", `${rootfs()}/bin/busybox`),
    new RegExp(`cap_net_raw=ep \\[rootid=${base}\\]`),
  );
  assert.equal(await inside(NAME, "stat -c %u:%g /suid"), "7:8\n");
  await stop(NAME);
  assert.notEqual((await configOf(NAME))["volatile.last_state.idmap"], "[]");

  await daemon.restart({});
  await world.setState(NAME, "start");
  assert.equal((await configOf(NAME))["volatile.last_state.idmap"], "[]");
  assert.equal(await inTree(rootfs()), before);
  await stop(NAME);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
});

/** Owners, modes, ACLs and capabilities; not of the file that DHCP writes at its own time. */
const inTree = (path: string) =>
  onHost(
    "bash",
    "-euc",
    'cd "$0"; find . ! -path ./etc/resolv.conf -print0 | sort -z | xargs -0 getfacl -n; getcap -nr . | sort; stat -c %n:%u:%g:%a suid',
    path,
  );

Deno.test("fallback: files, images, copies and snapshots of a shifted instance have the right ids", async () => {
  const { daemon, api } = world;
  await daemon.restart(OFF);
  await world.launch(NAME);
  const base = await baseOf(NAME);
  await inside(NAME, "echo 1 > /mine; chown 5:6 /mine");
  await stop(NAME);

  await daemon.lxc(["file", "push", "--uid=3", "--gid=4", "-", `${NAME}/pushed`], { stdin: "x" });
  assert.equal(await owner(`${rootfs()}/pushed`), `${base + 3}:${base + 4} 600`);
  await daemon.lxc(["publish", NAME, "--alias", "plain"]);
  await daemon.lxc(["image", "export", "plain", `${daemon.folder}/plain`]);
  const listed = await must([
    "bash",
    "-euc",
    `tar --numeric-owner -tvf ${daemon.folder}/plain*`,
  ]);
  assert.match(listed, / 5\/6 .* rootfs\/mine\n/);
  assert.match(listed, / 3\/4 .* rootfs\/pushed\n/);
  await daemon.lxc(["snapshot", NAME, "s"]);
  await daemon.lxc(["copy", `${NAME}/s`, `${NAME}copy`]);
  await daemon.lxc(["config", "set", `${NAME}copy`, "security.protection.shift", "true"]);
  await daemon.lxc(["start", `${NAME}copy`]);
  assert.equal(await inside(`${NAME}copy`, "stat -c %u:%g /mine"), "5:6\n");
  await stop(`${NAME}copy`);
  await daemon.lxc(["config", "set", `${NAME}copy`, "security.privileged", "true"]);
  const refused = await daemon.try(["start", `${NAME}copy`]);
  assert.match(refused.stderr, /Container is protected against filesystem shifting/);

  // Restored, the files are shifted as they were when the snapshot was taken.
  await daemon.lxc(["config", "set", NAME, "security.privileged", "true"]);
  await daemon.lxc(["start", NAME]);
  assert.equal(await owner(`${rootfs()}/mine`), "5:6 644");
  await stop(NAME);
  await daemon.lxc(["restore", NAME, "s"]);
  assert.equal(await owner(`${rootfs()}/mine`), `${base + 5}:${base + 6} 644`);
  await daemon.lxc(["start", NAME]);
  assert.equal(await inside(NAME, "stat -c %u:%g /mine"), "5:6\n");
  await stop(NAME);
  for (const name of [NAME, `${NAME}copy`]) await api.do("DELETE", `/1.0/instances/${name}`);
  await daemon.restart({});
});

Deno.test("fallback: a shift that was killed is finished by the next start, nothing is shifted twice", async () => {
  const { daemon, api } = world;
  await daemon.restart(OFF);
  await world.launch(NAME, { config: { "security.privileged": "true" } });
  await inside(
    NAME,
    "mkdir /many; i=0; while [ $i -lt 60 ]; do echo $i > /many/$i; i=$((i+1)); done",
  );
  await stop(NAME);
  await daemon.lxc(["config", "unset", NAME, "security.privileged"]);
  // As a daemon leaves it that is killed half way: noted what is to be, some files done.
  const map = [
    { Isuid: true, Isgid: false, Hostid: 1000000, Nsid: 0, Maprange: 1000000000 },
    { Isuid: false, Isgid: true, Hostid: 1000000, Nsid: 0, Maprange: 1000000000 },
  ];
  await onHost("chown", "-R", "1000000:1000000", `${rootfs()}/many`);
  await daemon.lxc([
    "query",
    "--raw",
    "-X",
    "POST",
    "-d",
    JSON.stringify({
      database: "global",
      query: `INSERT INTO instances_config (instance_id, key, value) SELECT id,` +
        ` 'volatile.idmap.shifting', '${JSON.stringify(map)}' FROM instances WHERE name='${NAME}'`,
    }),
    "/internal/sql",
  ]);

  await world.setState(NAME, "start");

  const base = await baseOf(NAME);
  const owners = await onHost("find", rootfs(), "-printf", "%U:%G\n");
  assert.deepEqual([...new Set(owners.trim().split("\n"))], [`${base}:${base}`]);
  assert.equal((await configOf(NAME))["volatile.idmap.shifting"], undefined);
  await stop(NAME);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await daemon.restart({});
});

Deno.test("volume: shifted to the ids of its instance; others share it by security.shifted", async () => {
  const { api, daemon } = world;
  const at = `${POOL}/volumes/custom/v`;
  const path = `${daemon.directory}/storage-pools/default/custom/default_v`;
  await api.do("POST", `${POOL}/volumes/custom`, { name: "v" });
  const devices = { v: { type: "disk", pool: "default", source: "v", path: "/mnt" } };
  await world.launch(NAME, { devices });
  await inside(NAME, "echo 1 > /mnt/f");
  const base = await baseOf(NAME);

  assert.equal(await owner(`${path}/f`), `${base}:${base} 644`);
  assert.equal(
    (await api.get(at)).config["volatile.idmap.last"],
    (await configOf(NAME))["volatile.idmap.current"],
  );
  const isolated = { "security.idmap.isolated": "true" };
  await world.create(`${NAME}b`, { devices, config: isolated });
  const refused = await daemon.try(["start", `${NAME}b`]);
  assert.match(refused.stderr, /Idmaps of container .* and storage volume "v" are not identical/);
  await stop(NAME);
  await api.do("PATCH", `/1.0/instances/${NAME}`, { config: { "security.privileged": "true" } });
  await api.do("DELETE", `/1.0/instances/${NAME}b`);
  await world.setState(NAME, "start");
  assert.equal(await owner(`${path}/f`), "0:0 644");
  await stop(NAME);
  await api.do("DELETE", `/1.0/instances/${NAME}`);
  await api.do("DELETE", at);
});
