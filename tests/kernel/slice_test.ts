/** Instances of the real daemon over its API: made, run, looked at, changed, protected, removed. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
/** Names that no other daemon on this machine uses: control groups are shared. */
const NAME = `slice${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const DHCP_MS = 15_000;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 11 });
  await world.launch(NAME, { config: { "user.mark": "slice" }, description: "the one" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

async function until<T>(limitMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    assert.ok(performance.now() < end, "it did not come in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("slice: an instance answers under both names of its collection", async () => {
  const { api } = world;

  assert.deepEqual(await api.get("/1.0/instances"), [AT]);
  assert.deepEqual(await api.get("/1.0/containers"), [`/1.0/containers/${NAME}`]);
  const instance = await api.get(AT);
  assert.deepEqual(
    [instance.name, instance.type, instance.status, instance.status_code, instance.description],
    [NAME, "container", "Running", 103, "the one"],
  );
  assert.deepEqual([instance.profiles, instance.ephemeral, instance.stateful, instance.project], [
    ["default"],
    false,
    false,
    "default",
  ]);
  assert.equal(instance.expanded_devices.root.pool, "default");
  assert.deepEqual(instance.devices, {});
  assert.deepEqual(await api.get(`/1.0/containers/${NAME}`), instance);
});

Deno.test("slice: it remembers its image, its map and when it was used", async () => {
  const { api } = world;
  const [image] = await api.get("/1.0/images?recursion=1");

  const { config, last_used_at, created_at } = await api.get(AT);

  assert.equal(config["image.os"], image.properties.os);
  assert.equal(config["volatile.base_image"], image.fingerprint);
  const map = JSON.parse(config["volatile.idmap.current"]);
  assert.deepEqual(map.map((one: { Nsid: number }) => one.Nsid), [0, 0]);
  assert.equal(config["volatile.idmap.current"], config["volatile.idmap.next"]);
  assert.ok(Number(config["volatile.idmap.base"]) >= 0);
  assert.match(config["volatile.uuid"], /^[0-9a-f-]{36}$/);
  assert.match(config["volatile.cloud-init.instance-id"], /^[0-9a-f-]{36}$/);
  assert.ok(Date.parse(last_used_at) >= Date.parse(created_at), last_used_at);
  assert.ok(Date.now() - Date.parse(last_used_at) < 600_000);
});

Deno.test("slice: its state has processes, memory, time on the processor and its addresses", async () => {
  const { api } = world;

  const state = await until(DHCP_MS, async () => {
    const now = await api.get(`${AT}/state`);
    return now.network.eth0.addresses.some((one: { family: string }) => one.family === "inet")
      ? now
      : undefined;
  });

  assert.deepEqual([state.status, state.status_code], ["Running", 103]);
  assert.ok(state.pid > 1 && state.processes >= 1 && state.memory.usage > 0, state);
  assert.ok(state.cpu.usage > 0, "nanoseconds of processor time");
  assert.ok(state.disk.root.usage >= 0);
  const { eth0, lo } = state.network;
  const address = eth0.addresses.find((one: { family: string }) => one.family === "inet");
  assert.match(address.address, /^10\.247\.11\./);
  assert.deepEqual([address.netmask, address.scope], ["24", "global"]);
  assert.deepEqual([eth0.type, eth0.state, eth0.mtu], ["broadcast", "up", 1500]);
  assert.match(eth0.host_name, /^veth/);
  assert.equal(eth0.hwaddr, (await api.get(AT)).config["volatile.eth0.hwaddr"]);
  assert.deepEqual([lo.type, lo.addresses[0].address], ["loopback", "127.0.0.1"]);
  assert.deepEqual(
    Object.keys(eth0.counters).toSorted(),
    [
      "bytes_received",
      "bytes_sent",
      "errors_received",
      "errors_sent",
      "packets_dropped_inbound",
      "packets_dropped_outbound",
      "packets_received",
      "packets_sent",
    ],
  );
  assert.ok(eth0.counters.bytes_sent > 0 && eth0.counters.packets_sent > 0);
});

Deno.test("slice: its lease is the network's, and the network counts it as a user", async () => {
  const { api } = world;

  const [lease] = await until(DHCP_MS, async () => {
    const leases = await api.get("/1.0/networks/testbr0/leases");
    const found = leases.filter((one: { hostname: string; type: string }) =>
      one.hostname === NAME && one.type === "dynamic"
    );
    return found.length > 0 ? found : undefined;
  });

  assert.match(lease.address, /^10\.247\.11\./);
  assert.equal(lease.hwaddr, (await api.get(AT)).config["volatile.eth0.hwaddr"]);
  assert.equal(lease.location, "none");
  const network = await api.get("/1.0/networks/testbr0");
  assert.deepEqual([network.managed, network.type], [true, "bridge"]);
  assert.ok(network.used_by.includes(AT), network.used_by);
  assert.equal((await api.fails("DELETE", "/1.0/networks/testbr0"))[0], 400);
  assert.ok((await api.get("/1.0/storage-pools/default/resources")).space.total > 0);
});

Deno.test("slice: recursion tells all of it in one request", async () => {
  const { api } = world;

  const [brief] = await api.get("/1.0/instances?recursion=1");
  const [full] = await api.get("/1.0/instances?recursion=2");
  const alone = await api.get(`${AT}?recursion=1`);

  assert.equal(brief.state, undefined);
  assert.equal(full.state.pid, alone.state.pid);
  assert.deepEqual([full.name, full.snapshots ?? [], full.backups ?? []], [NAME, [], []]);
  assert.deepEqual(Object.keys(full).toSorted(), Object.keys(alone).toSorted());
});

Deno.test("slice: limits of the kernel and of processes hold inside", async () => {
  const { api } = world;
  const name = `${NAME}-limits`;
  await world.launch(name, { config: { "limits.kernel.nofile": "3000:4000" } });

  const { pid } = await api.get(`/1.0/instances/${name}/state`);

  assert.match(
    await Deno.readTextFile(`/proc/${pid}/limits`),
    /^Max open files\s+3000\s+4000\s/m,
  );
  await api.do("PUT", `/1.0/instances/${name}/state`, { action: "stop", force: true });
  await api.do("DELETE", `/1.0/instances/${name}`);
});

Deno.test("slice: a protected instance is not deleted", async () => {
  const { api } = world;
  const name = `${NAME}-kept`;
  await world.create(name, { config: { "security.protection.delete": "true" } });

  assert.match((await api.fails("DELETE", `/1.0/instances/${name}`))[1], /protected from being/);
  await api.do("PATCH", `/1.0/instances/${name}`, {
    config: { "security.protection.delete": "false" },
  });
  await api.do("DELETE", `/1.0/instances/${name}`);

  assert.equal((await api.fails("GET", `/1.0/instances/${name}`))[0], 404);
});

Deno.test("slice: snapshots live as long as they were given, and are changed", async () => {
  const { api } = world;
  const at = `${AT}/snapshots`;
  const soon = "2041-01-02T00:00:00Z";

  await api.do("POST", at, { name: "one", expires_at: soon });
  await api.do("PATCH", AT, { config: { "snapshots.expiry": "2d" } });
  await api.do("POST", at, { name: "two" });

  const expiry = async () => Date.parse((await api.get(`${at}/one`)).expires_at);
  assert.equal(await expiry(), Date.parse(soon));
  const twoDays = Date.parse((await api.get(`${at}/two`)).expires_at) - Date.now();
  assert.ok(Math.abs(twoDays - 2 * 86_400_000) < 60_000, `${twoDays}`);
  const later = "2042-01-02T00:00:00Z";
  await api.do("PUT", `${at}/one`, { expires_at: later });
  assert.equal(await expiry(), Date.parse(later));
  for (const { last_used_at, size } of await api.get(`${at}?recursion=1`)) {
    assert.deepEqual([last_used_at, size], ["0001-01-01T00:00:00Z", -1], "as LXD says of unknown");
  }
  await api.do("DELETE", `${at}/one`);
  await api.do("DELETE", `${at}/two`);
  assert.deepEqual(await api.get(at), []);
});

Deno.test("slice: one request changes the state of all instances", async () => {
  const { api } = world;
  const stateOf = async () => (await api.get(AT)).status;

  await api.do("PUT", "/1.0/instances", { state: { action: "freeze" } });
  assert.equal(await stateOf(), "Frozen");
  await api.do("PUT", "/1.0/instances", { state: { action: "unfreeze" } });
  assert.equal(await stateOf(), "Running");
  await api.do("PUT", "/1.0/instances", { state: { action: "stop", force: true } });
  assert.equal(await stateOf(), "Stopped");
  await api.do("PUT", "/1.0/instances", { state: { action: "start" } });

  assert.equal(await stateOf(), "Running");
});

Deno.test("slice: an init that fetches its signals ends when it is asked to", async () => {
  const { api } = world;

  await api.do("PUT", `${AT}/state`, { action: "stop", timeout: 20 });
  assert.equal((await api.get(AT)).status, "Stopped");

  await api.do("PUT", `${AT}/state`, { action: "start" });
});

Deno.test("slice: cloud-init's keys are kept, and its name is another after a copy", async () => {
  const { api } = world;
  const name = `${NAME}-cloud`;
  const seed = "#cloud-config\nhostname: x\n";
  await world.create(name, {
    config: { "cloud-init.user-data": seed, "cloud-init.vendor-data": seed },
  });
  await api.do("POST", "/1.0/instances", {
    name: `${name}-2`,
    source: { type: "copy", source: name },
  });

  const one = (await api.get(`/1.0/instances/${name}`)).config;
  const two = (await api.get(`/1.0/instances/${name}-2`)).config;

  assert.deepEqual([two["cloud-init.user-data"], two["cloud-init.vendor-data"]], [seed, seed]);
  const key = "volatile.cloud-init.instance-id";
  assert.notEqual(one[key], two[key]);
  await api.do("DELETE", `/1.0/instances/${name}`);
  await api.do("DELETE", `/1.0/instances/${name}-2`);
});

Deno.test("slice: a nic names its network, and a wrong one changes nothing", async () => {
  const { api } = world;
  const before = await api.get(AT);

  const [status, error] = await api.fails("PATCH", AT, {
    devices: { eth1: { type: "nic", network: "nowhere", name: "eth1" } },
  });

  assert.ok(status === 400 || status === 404, `${status}`);
  assert.match(error, /nowhere/);
  assert.deepEqual(await api.get(AT), before);
  const twice = await api.fails("PATCH", AT, {
    devices: { eth1: { type: "nic", network: "testbr0", name: "eth1" } },
  });
  assert.equal(twice[0], 400);
  assert.match(twice[1], /Instance DNS name ".*" already used on network/);
  await api.do("PATCH", AT, { devices: { eth1: { type: "nic", nictype: "p2p", name: "eth1" } } });
  assert.ok((await api.get(`${AT}/state`)).network.eth1 !== undefined);
  await api.do("PATCH", AT, { devices: { eth1: { type: "none" } } });
});

Deno.test("slice: a request of curl as scripts make it", async () => {
  const { daemon } = world;
  const socket = `${daemon.directory}/unix.socket`;

  const text = await must(["curl", "-s", "--unix-socket", socket, `lxd${AT}/state`]);

  assert.equal(JSON.parse(text).metadata.status, "Running");
});
