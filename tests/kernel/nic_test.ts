/** Nics and proxies of running instances: made, limited, filtered, plugged and taken away. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `nic${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;
const nsenter = (
  pid: number,
  ...argv: string[]
) => ["nsenter", "-t", `${pid}`, "-n", "--", ...argv];
const host = (...argv: string[]) => must(nsenter(world.daemon.pid, ...argv));

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 23 });
  await world.launch(NAME, {
    devices: {
      eth0: { type: "nic", network: "testbr0", name: "eth0", "limits.ingress": "10Mbit" },
    },
  });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const initPid = async (): Promise<number> => (await world.api.get(`${AT}/state`)).pid;

/** Replace devices of the instance; undefined removes one. */
async function setDevices(
  change: Record<string, Record<string, string> | undefined>,
): Promise<void> {
  await world.api.do("PUT", AT, await withDevices(change));
}

async function withDevices(change: Record<string, Record<string, string> | undefined>) {
  const instance = await world.api.get(AT);
  const devices = { ...instance.devices, ...change };
  const kept = Object.entries(devices).filter(([, device]) => device !== undefined);
  return { ...instance, devices: Object.fromEntries(kept) };
}

const hostName = async (device: string): Promise<string> =>
  (await world.api.get(AT)).config[`volatile.${device}.host_name`];

Deno.test("nic: rates are limited from the start, changed live, and lifted", async () => {
  const link = await hostName("eth0");
  assert.match(await host("tc", "class", "show", "dev", link), /rate 10Mbit/);

  const eth0 = { type: "nic", network: "testbr0", name: "eth0", "limits.egress": "4Mbit" };
  await setDevices({ eth0 });

  assert.equal(await hostName("eth0"), link, "the interface stayed");
  assert.doesNotMatch(await host("tc", "class", "show", "dev", link), /htb/);
  const police = await host("tc", "filter", "show", "dev", link, "ingress");
  const counted = await run(nsenter(world.daemon.pid, "nft", "list", "table", "netdev", "lxd"));
  assert.match(police + counted.stdout, /4Mbit|rate over 500000 bytes\/second/);
  await setDevices({ eth0: { type: "nic", network: "testbr0", name: "eth0" } });
  const after = await run(nsenter(world.daemon.pid, "nft", "list", "table", "netdev", "lxd"));
  assert.doesNotMatch(after.stdout, new RegExp(NAME));
});

Deno.test("nic: a filtered one sends from its own addresses only", async () => {
  const filtered = { type: "nic", network: "testbr0", name: "eth0" };
  await setDevices({ eth0: { ...filtered, "security.ipv4_filtering": "true" } });
  const pid = await initPid();
  const rules = await host("nft", "-nn", "list", "chain", "bridge", "lxd", `in.${NAME}.eth0`);
  const address = /ip saddr (10\.247\.23\.\d+) accept/.exec(rules)?.[1] ?? "";
  const from = async (source: string) => {
    await must(nsenter(pid, "ip", "addr", "flush", "dev", "eth0"));
    await must(nsenter(pid, "ip", "addr", "add", `${source}/24`, "dev", "eth0"));
    return (await run(nsenter(pid, "ping", "-c1", "-W1", "10.247.23.1"))).status === 0;
  };

  assert.ok(await from(address), `from ${address}`);
  assert.ok(!await from("10.247.23.251"), "from a stranger's address");

  await setDevices({ eth0: filtered });
  assert.ok(await from("10.247.23.251"), "without a filter");
});

Deno.test("nic: an isolated port does not reach other isolated ones", async () => {
  const eth0 = { type: "nic", network: "testbr0", name: "eth0" };
  await setDevices({ eth0: { ...eth0, "security.port_isolation": "true" } });

  const link = await hostName("eth0");
  assert.match(await host("bridge", "-d", "link", "show", "dev", link), /isolated on/);
  await setDevices({ eth0 });
  assert.match(
    await host("bridge", "-d", "link", "show", "dev", await hostName("eth0")),
    /isolated off/,
  );
});

Deno.test("nic: a routed one has its address, its gateway and an answering parent", async () => {
  await host("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1");
  await world.api.do("PATCH", "/1.0/networks/testbr0", { config: { "ipv4.nat": "true" } });
  const name = `${NAME}r`;
  const routed = {
    type: "nic",
    nictype: "routed",
    parent: "testbr0",
    name: "eth0",
    "ipv4.address": "10.247.23.77",
    "ipv4.host_table": "100",
    "ipv4.routes": "203.0.113.0/28",
    "limits.ingress": "8Mbit",
  };
  await world.create(name, { devices: { eth0: routed } });

  await world.setState(name, "start");

  const { pid } = await world.api.get(`/1.0/instances/${name}/state`);
  assert.match(await must(nsenter(pid, "ip", "-4", "addr")), /inet 10\.247\.23\.77\/32/);
  assert.match(await must(nsenter(pid, "ip", "route")), /default via 169\.254\.0\.1/);
  assert.match(await host("ip", "route", "show", "table", "100"), /10\.247\.23\.77/);
  assert.match(await host("ip", "neigh", "show", "proxy"), /10\.247\.23\.77/);
  assert.equal((await run(nsenter(pid, "ping", "-c1", "-W3", "10.247.23.1"))).status, 0);
  const taken = { ...routed, "ipv4.address": "10.247.23.1" };
  await world.setState(name, "stop", { force: true });
  assert.doesNotMatch(await host("ip", "neigh", "show", "proxy"), /10\.247\.23\.77/);
  await world.api.do("PATCH", `/1.0/instances/${name}`, { devices: { eth0: taken } });
  const [, error] = await world.api.fails("PUT", `/1.0/instances/${name}/state`, {
    action: "start",
  });
  assert.match(error, /in use/);
  await world.api.do("DELETE", `/1.0/instances/${name}`);
});

Deno.test("nic: a wrong one is refused by name and changes nothing", async () => {
  const before = await world.api.get(AT);
  const wrong: Record<string, string>[] = [
    { network: "nowhere" },
    { nictype: "bridged" },
    { nictype: "nonsense" },
    { network: "testbr0", nictype: "bridged" },
    { network: "testbr0", mtu: "1400" },
    { network: "testbr0", "ipv4.address": "192.0.2.2" },
    { nictype: "p2p", parent: "testbr0" },
    { nictype: "p2p", "limits.ingress": "fast" },
    { nictype: "p2p", "limits.ingress": "0" },
    { nictype: "p2p", "queue.tx.length": "-1" },
    { nictype: "p2p", name: "eth0" },
    { network: "testbr0", vlan: "4096" },
    { network: "testbr0", name: "eth7" },
  ];

  for (const options of wrong) {
    const body = await withDevices({ eth7: { type: "nic", ...options } });
    const [status, error] = await world.api.fails("PUT", AT, body);
    assert.equal(status, 400, JSON.stringify(options));
    assert.match(error, /eth7/, JSON.stringify(options));
  }

  assert.deepEqual(await world.api.get(AT), before);
});

Deno.test("nic: the address of its bridge is not for it", async () => {
  const eth0 = { type: "nic", network: "testbr0", name: "eth0", "ipv4.address": "10.247.23.1" };

  const [status, error] = await world.api.fails("PUT", AT, await withDevices({ eth0 }));

  assert.equal(status, 400);
  assert.match(error, /"10\.247\.23\.1" is assigned to parent managed network device "testbr0"/);
});

Deno.test("nic: those without a name get free ones, at the start and plugged", async () => {
  const name = `${NAME}n`;
  const p2p = { type: "nic", nictype: "p2p" };
  const profile = { type: "nic", network: "testbr0", name: "eth0" };
  const devices = { a: p2p, b: p2p, eth1: p2p, zero: profile, eth0: { type: "none" } };
  await world.launch(name, { devices });
  const { pid } = await world.api.get(`/1.0/instances/${name}/state`);
  const links = async () =>
    [...(await must(nsenter(pid, "ip", "-o", "link"))).matchAll(/ (eth\d+)@/g)]
      .map(([, link]) => link).sort();

  assert.deepEqual(await links(), ["eth0", "eth1", "eth2", "eth3"]);
  await must(nsenter(pid, "ip", "link", "add", "eth4", "type", "bridge"));
  await world.api.do("PATCH", `/1.0/instances/${name}`, { devices: { more: p2p } });

  assert.deepEqual(await links(), ["eth0", "eth1", "eth2", "eth3", "eth5"]);
  await world.setState(name, "stop", { force: true });
  await world.api.do("DELETE", `/1.0/instances/${name}`);
});

Deno.test("nic: what the parent or the kernel can't do is refused at the start, with the reason", async () => {
  const name = `${NAME}k`;
  const cases = [
    [{ nictype: "sriov", parent: "testbr0" }, /"testbr0" doesn't support SR-IOV.*macvlan/],
    [{ nictype: "sriov", parent: "nowhere" }, /"nowhere" doesn't exist/],
    [{ nictype: "ipvlan", parent: "nowhere" }, /"nowhere" doesn't exist/],
    ...await hasIpvlan() ? [] : [
      [{ nictype: "ipvlan", parent: "testbr0" }, /can't make ipvlan.*CONFIG_IPVLAN/] as const,
    ],
  ] as const;
  await world.create(name);

  for (const [options, why] of cases) {
    const devices = { eth0: { type: "nic", name: "eth0", ...options } };
    await world.api.do("PATCH", `/1.0/instances/${name}`, { devices });
    const [, error] = await world.api.fails("PUT", `/1.0/instances/${name}/state`, {
      action: "start",
    });
    assert.match(error, why);
    assert.equal((await world.api.get(`/1.0/instances/${name}`)).status, "Stopped");
  }

  await world.api.do("DELETE", `/1.0/instances/${name}`);
});

async function hasIpvlan(): Promise<boolean> {
  const made = await run(
    nsenter(world.daemon.pid, "ip", "link", "add", "ipv0", "link", "testbr0", "type", "ipvlan"),
  );
  if (made.status === 0) await host("ip", "link", "delete", "dev", "ipv0");
  return made.status === 0;
}

/** Send a line to an address of the host and wait for the answer. */
async function talk(argv: string[], line: string): Promise<string> {
  const { stdout } = await run([...argv, "socat", "-t2", "-", line], { stdin: "hello\n" });
  return stdout;
}

async function serve(argv: string[], address: string): Promise<Deno.ChildProcess> {
  const [program = "", ...args] = [...argv, "socat", address, "exec:/bin/cat"];
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return child;
}

/** It may have served its one client and be gone. */
async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill();
  } catch {
    // Ignored: it has ended.
  }
  await child.status;
}

Deno.test("proxy: connects both ways over tcp, udp and unix sockets", async () => {
  const pid = await initPid();
  const within = nsenter(pid);
  const outside = nsenter(world.daemon.pid);
  const socket = `${world.daemon.folder}/proxy.sock`;
  const cases = [
    ["tcp:127.0.0.1:7001", "tcp:127.0.0.1:7101", "tcp-listen:7101", "tcp:127.0.0.1:7001"],
    ["udp:127.0.0.1:7002", "udp:127.0.0.1:7102", "udp-listen:7102", "udp:127.0.0.1:7002"],
    [`unix:${socket}`, "tcp:127.0.0.1:7103", "tcp-listen:7103", `unix-connect:${socket}`],
    ["tcp:127.0.0.1:7004", "unix:@lxdtest", "abstract-listen:lxdtest", "tcp:127.0.0.1:7004"],
  ] as const;

  for (const [listen, connect, server, client] of cases) {
    await setDevices({ px: { type: "proxy", listen, connect } });
    const child = await serve(within, server);
    assert.equal(await talk(outside, client), "hello\n", listen);
    await end(child);
    await setDevices({ px: undefined });
    assert.equal(await talk(outside, client), "", `${listen} is closed again`);
  }
  const inward = { type: "proxy", bind: "instance", listen: "tcp:127.0.0.1:7005" };
  await setDevices({ px: { ...inward, connect: "tcp:127.0.0.1:7105" } });
  const child = await serve(outside, "tcp-listen:7105");
  assert.equal(await talk(within, "tcp:127.0.0.1:7005"), "hello\n");
  await end(child);
  await setDevices({ px: undefined });
});

Deno.test("proxy: one without an address listens on all of both families and connects to itself", async () => {
  const listen = "tcp::7010";
  await setDevices({ px: { type: "proxy", listen, connect: "tcp::7110", proxy_protocol: "true" } });
  const within = nsenter(await initPid());
  const outside = nsenter(world.daemon.pid);
  const headers = { "127.0.0.1": "TCP4 127.0.0.1 127.0.0.1", "[::1]": "TCP6 ::1 ::1" };

  for (const [address, header] of Object.entries(headers)) {
    const child = await serve(within, "tcp-listen:7110,reuseaddr");
    const reply = await talk(outside, `tcp:${address}:7010`);
    assert.equal(reply.replace(/ \d+ 7010\r/, ""), `PROXY ${header}\nhello\n`);
    await end(child);
  }
  await setDevices({ px: undefined });
});

Deno.test("proxy: tells the server who the client is, on request", async () => {
  const listen = "tcp:127.0.0.1:7006";
  const connect = "tcp:127.0.0.1:7106";
  await setDevices({ px: { type: "proxy", listen, connect, proxy_protocol: "true" } });
  const child = await serve(nsenter(await initPid()), "tcp-listen:7106");

  const reply = await talk(nsenter(world.daemon.pid), "tcp:127.0.0.1:7006");

  await end(child);
  assert.match(reply, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ 7006\r\nhello\n$/);
  await setDevices({ px: undefined });
});

Deno.test("proxy: one by rules may come before the address of its nic, but not start", async () => {
  const name = `${NAME}p`;
  const at = `/1.0/instances/${name}`;
  const ends = { listen: "tcp:10.247.23.1:7009", connect: "tcp:0.0.0.0:80" };
  await world.create(name, { devices: { px: { type: "proxy", nat: "true", ...ends } } });

  const [status, error] = await world.api.fails("PUT", `${at}/state`, { action: "start" });
  const eth0 = { type: "nic", network: "testbr0", name: "eth0", "ipv4.address": "10.247.23.99" };
  await world.api.do("PATCH", at, { devices: { eth0 } });
  await world.setState(name, "start");

  assert.equal(status, 400);
  assert.match(error, /no static IPv4 address/);
  assert.match(await host("nft", "list", "ruleset"), /dnat ip to 10\.247\.23\.99:80/);
  await world.setState(name, "stop", { force: true });
  await world.api.do("DELETE", at);
});

Deno.test("proxy: one by rules to whatever address its nic has goes along with it", async () => {
  const ends = { listen: "tcp:10.247.23.1:7011", connect: "tcp:0.0.0.0:80" };
  const eth0 = { type: "nic", network: "testbr0", name: "eth0" };
  await setDevices({
    eth0: { ...eth0, "ipv4.address": "10.247.23.31" },
    px: { type: "proxy", nat: "true", ...ends },
  });

  await setDevices({ eth0: { ...eth0, "ipv4.address": "10.247.23.32" } });

  const rules = await host("nft", "list", "ruleset");
  assert.match(rules, /dport 7011 dnat ip to 10\.247\.23\.32:80/);
  assert.doesNotMatch(rules, /10\.247\.23\.31:80/);
  await setDevices({ eth0, px: undefined });
});

Deno.test("proxy: a wrong one is refused and changes nothing", async () => {
  const before = await world.api.get(AT);
  const tcp = "tcp:127.0.0.1:7008";
  const wrong: Record<string, string>[] = [
    { listen: tcp },
    { listen: tcp, connect: "tcp:localhost:1" },
    { listen: "tcp:127.0.0.1:1-2", connect: "tcp:127.0.0.1:1-3" },
    { listen: "tcp:0.0.0.0:1", connect: "tcp:0.0.0.0:1", nat: "true" },
    { listen: tcp, connect: "tcp:[::]:1", nat: "true" },
    { listen: tcp, connect: "udp:127.0.0.1:1", nat: "true" },
    { listen: tcp, connect: "tcp:127.0.0.1:1", uid: "7" },
    { listen: tcp, connect: "udp:127.0.0.1:1", proxy_protocol: "true" },
  ];

  for (const options of wrong) {
    const body = await withDevices({ px: { type: "proxy", ...options } });
    assert.equal((await world.api.fails("PUT", AT, body))[0], 400, JSON.stringify(options));
  }

  assert.deepEqual(await world.api.get(AT), before);
});
