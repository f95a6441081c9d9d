/** Networks of the real daemon beyond one bridge: kinds, ACLs, forwards, zones, tunnels, restarts. */
import { type Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

let daemon: TestDaemon;
let api: Api;
const BRIDGE = "rulesbr0";
const AT = `/1.0/networks/${BRIDGE}`;

Deno.test.beforeAll(async () => {
  daemon = await TestDaemon.start(OURS);
  api = apiOf(daemon);
  await api.do("POST", "/1.0/networks", {
    name: BRIDGE,
    config: { "ipv4.address": "192.0.2.1/24", "ipv6.address": "fd42:9::1/64" },
  });
});
Deno.test.afterAll(() => daemon[Symbol.asyncDispose]());

/** A program in the daemon's network namespace. */
const inside = (...argv: string[]) => must(["nsenter", "-t", `${daemon.pid}`, "-n", "--", ...argv]);
const chain = async (name: string) => {
  const nft = ["nft", "-nn", "list", "chain", "inet", "lxd", name];
  const { status, stdout } = await run(["nsenter", "-t", `${daemon.pid}`, "-n", "--", ...nft]);
  return status === 0 ? stdout : undefined;
};

Deno.test("networks: an ACL acts where it is used, and a change of it at once", async () => {
  await api.do("POST", "/1.0/network-acls", { name: "web" });
  await api.do("PATCH", AT, { config: { "security.acls": "web" } });
  assert.match(await chain(`acl.${BRIDGE}`) ?? "", /oifname "rulesbr0" reject/);

  const allow = { action: "allow", protocol: "tcp", destination_port: "80", state: "enabled" };
  await api.do("PUT", "/1.0/network-acls/web", { egress: [allow] });

  assert.match(await chain(`acl.${BRIDGE}`) ?? "", /tcp dport 80 accept/);
  const acl = await api.get("/1.0/network-acls/web");
  assert.deepEqual([acl.used_by, acl.egress], [[AT], [allow]]);
  const [status] = await api.fails("DELETE", "/1.0/network-acls/web");
  assert.equal(status, 400);
  await api.do("PATCH", AT, { config: { "security.acls": "" } });
  assert.equal(await chain(`acl.${BRIDGE}`), undefined);
});

Deno.test("networks: an ACL that a bridge can't have leaves the rules as they were", async () => {
  await api.do("POST", "/1.0/network-acls", { name: "keep" });
  await api.do("PATCH", AT, { config: { "security.acls": "keep" } });
  const before = await chain(`acl.${BRIDGE}`);
  const rule = { action: "allow", source: "@internal", state: "enabled" };

  const [status, error] = await api.fails("PUT", "/1.0/network-acls/keep", { ingress: [rule] });

  assert.equal(status, 400);
  assert.match(error, /@internal/);
  assert.equal(await chain(`acl.${BRIDGE}`), before);
  assert.deepEqual((await api.get("/1.0/network-acls/keep")).ingress, []);
  await api.do("PATCH", AT, { config: { "security.acls": "" } });
});

Deno.test("networks: the log of an ACL is what the kernel says of its rules", async () => {
  const rule = { action: "drop", protocol: "tcp", destination_port: "25", state: "logged" };
  await api.do("POST", "/1.0/network-acls", { name: "seen", egress: [rule] });
  await api.do("PATCH", AT, { config: { "security.acls": "seen" } });
  const [, prefix] = /log prefix "(.*?)"/.exec(await chain(`acl.${BRIDGE}`) ?? "") ?? [];
  const packet = `IN=${BRIDGE} OUT=eth0 SRC=192.0.2.9 DST=198.51.100.1 PROTO=TCP SPT=4000 DPT=25`;
  // The kernel logs no packets of other network namespaces: say what it would.
  await Deno.writeTextFile("/dev/kmsg", `${prefix}${packet}\n`, { create: false });

  const { stdout } = await daemon.request("GET", "/1.0/network-acls/seen/log");

  const { time, ...entry } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 3600_000, time);
  assert.deepEqual(entry, {
    ...{ proto: "tcp", src: "192.0.2.9", dst: "198.51.100.1", src_port: "4000", dst_port: "25" },
    action: "drop",
  });
  await api.do("PATCH", AT, { config: { "security.acls": "" } });
  await api.do("DELETE", "/1.0/network-acls/seen");
});

Deno.test("networks: a forward leads ports and the rest of an address to instances", async () => {
  const port = { protocol: "tcp", listen_port: "80-81", target_address: "192.0.2.3" };
  await api.do("POST", `${AT}/forwards`, {
    listen_address: "198.51.100.1",
    config: { target_address: "192.0.2.2" },
    ports: [port],
  });

  const rules = await chain(`fwdprert.${BRIDGE}`) ?? "";
  assert.match(rules, /ip daddr 198\.51\.100\.1 tcp dport 81 dnat ip to 192\.0\.2\.3:81/);
  assert.match(rules, /ip daddr 198\.51\.100\.1 dnat ip to 192\.0\.2\.2/);
  const twice = await api.fails("POST", `${AT}/forwards`, { listen_address: "198.51.100.1" });
  assert.equal(twice[0], 409);
  const outside = { ...port, target_address: "10.9.9.9" };
  const [status] = await api.fails("PUT", `${AT}/forwards/198.51.100.1`, { ports: [outside] });
  assert.equal(status, 400);
  assert.equal(await chain(`fwdprert.${BRIDGE}`), rules);
  await api.do("DELETE", `${AT}/forwards/198.51.100.1`);
  assert.equal(await chain(`fwdprert.${BRIDGE}`), undefined);
});

/** Of the bridge, after a change that makes the daemon look. */
async function warnings(): Promise<string[]> {
  await api.do("PATCH", AT, { config: { "user.touched": crypto.randomUUID() } });
  const all: Record<string, string>[] = await api.get("/1.0/warnings?recursion=1");
  return all.filter((one) => one["entity_url"] === AT && one["status"] !== "resolved")
    .map((one) => one["last_message"] ?? "");
}

Deno.test("networks: a firewall that drops what a bridge forwards is told of, with what helps", async () => {
  // What Docker makes of it, by iptables on nftables.
  await inside("nft", "add table ip filter");
  await inside(
    "nft",
    "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
  );
  await inside("nft", "add chain ip filter DOCKER-USER");
  await inside("nft", "add rule ip filter FORWARD counter jump DOCKER-USER");
  await inside("nft", 'add rule ip filter FORWARD iifname "docker0" accept');

  const [message = "", ...more] = await warnings();
  assert.deepEqual(more, []);
  assert.match(
    message,
    /chain FORWARD \(table ip filter\) drops what "rulesbr0" forwards, as Docker/,
  );
  const commands = message.slice(message.indexOf(": nft") + 2).split("; ");
  assert.equal(commands.length, 2);
  for (const command of commands) await inside("sh", "-c", command);
  assert.deepEqual(await warnings(), []);
  await inside("nft", "delete table ip filter");
});

Deno.test({
  name: "networks: so is a firewall of iptables-legacy, which nft does not show",
  ignore: !existsSync("/proc/net/ip_tables_names"),
  async fn() {
    const source = new URL("xtables_policy.c", import.meta.url).pathname;
    const program = `${daemon.folder}/xtables_policy`;
    await must(["gcc", "-D_GNU_SOURCE", source, "-o", program]);
    assert.deepEqual(await warnings(), []);

    for (const family of ["ip", "ip6"]) await inside(program, family, "drop");

    const [message = "", ...more] = await warnings();
    assert.deepEqual(more, []);
    for (const family of ["ip", "ip6"]) {
      assert.match(message, new RegExp(`table ${family} filter .iptables-legacy.*, as Docker`));
      assert.ok(message.includes(` ${family}tables-legacy -I DOCKER-USER -i ${BRIDGE} -j ACCEPT;`));
      await inside(program, family, "drop", BRIDGE);
    }
    assert.deepEqual(await warnings(), []);
  },
});

Deno.test("networks: a zone is transferred to its peers and refused to others", async () => {
  await api.do("PATCH", "/1.0", { config: { "core.dns_address": "127.0.0.1:5353" } });
  await api.do("POST", "/1.0/network-zones", { name: "example.net" });
  await api.do("PATCH", AT, { config: { "dns.zone.forward": "example.net" } });
  const entries = [{ type: "TXT", ttl: 60, value: "hello world" }];
  await api.do("POST", "/1.0/network-zones/example.net/records", { name: "demo", entries });
  const dig = (...more: string[]) =>
    inside("dig", "@127.0.0.1", "-p", "5353", ...more, "axfr", "example.net");
  assert.match(await dig(), /Transfer failed/);

  await api.do("PATCH", "/1.0/network-zones/example.net", {
    config: { "peers.test.address": "127.0.0.1" },
  });

  const zone = await dig();
  assert.match(zone, /demo\.example\.net\.\s+60\s+IN\s+TXT\s+"hello world"/);
  assert.match(zone, /rulesbr0\.gw\.example\.net\.\s+300\s+IN\s+A\s+192\.0\.2\.1/);

  const key = (secret: string) => ["-y", `hmac-sha256:example.net_test:${btoa(secret.repeat(8))}`];
  await api.do("PATCH", "/1.0/network-zones/example.net", {
    config: { "peers.test.key": btoa("key!".repeat(8)) },
  });
  assert.match(await dig(), /Transfer failed/);
  assert.match(await dig(...key("bad!")), /Transfer failed/);
  const entriesOf = (name: string) => ({ name, entries: [{ type: "A", value: "192.0.2.9" }] });
  for (let index = 0; index < 150; index++) {
    await api.do("POST", "/1.0/network-zones/example.net/records", entriesOf(`many${index}`));
  }
  const signed = await dig(...key("key!"));
  assert.match(signed, /demo\.example\.net\..*"hello world"/);
  assert.equal(signed.match(/\sTSIG\s+hmac-sha256/g)?.length, 2, "one for each message");
  assert.doesNotMatch(signed, /Couldn't verify|failed|Some TSIG could not/i);
  assert.equal((await api.fails("DELETE", "/1.0/network-zones/example.net"))[0], 400);
  await api.do("PATCH", AT, { config: { "dns.zone.forward": "" } });
  await api.do("DELETE", "/1.0/network-zones/example.net");
});

Deno.test("networks: zones have records of one name each; a restricted project only the zones it lists", async () => {
  for (const name of ["one.example", "two.example"]) {
    await api.do("POST", "/1.0/network-zones", { name });
    await api.do("POST", `/1.0/network-zones/${name}/records`, { name: "www" });
    const again = await api.fails("POST", `/1.0/network-zones/${name}/records`, { name: "www" });
    assert.match(again[1], /already exists/);
  }
  await api.do("POST", "/1.0/projects", {
    name: "fenced",
    config: {
      "features.networks": "true",
      restricted: "true",
      "restricted.networks.zones": "lab.example, other.example",
    },
  });
  const make = (name: string) => ["POST", "/1.0/network-zones?project=fenced", { name }] as const;

  assert.match((await api.fails(...make("evil-lab.example")))[1], /isn't allowed to use this DNS/);
  await api.do(...make("lab.example"));
  await api.do(...make("a.lab.example"));

  for (const name of ["lab.example", "a.lab.example"]) {
    await api.do("DELETE", `/1.0/network-zones/${name}?project=fenced`);
  }
  await api.do("DELETE", "/1.0/projects/fenced");
  for (const name of ["one.example", "two.example"]) {
    await api.do("DELETE", `/1.0/network-zones/${name}`);
  }
});

Deno.test("networks: routes of others stay when a bridge changes", async () => {
  await inside("ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.9", "dev", BRIDGE);

  await api.do("PATCH", AT, { config: { "ipv4.routes": "198.51.100.0/24", "ipv4.nat": "true" } });
  const routes = await inside("ip", "route", "show", "dev", BRIDGE);
  assert.match(routes, /203\.0\.113\.0\/24 via 192\.0\.2\.9/);
  assert.match(routes, /198\.51\.100\.0\/24 proto static/);

  await api.do("PATCH", AT, { config: { "ipv4.routes": "" } });
  assert.doesNotMatch(await inside("ip", "route", "show", "dev", BRIDGE), /198\.51\.100/);
});

Deno.test("networks: a vxlan tunnel is a port of its bridge, and gone without its keys", async () => {
  await api.do("PATCH", AT, {
    config: {
      "tunnel.a.protocol": "vxlan",
      "tunnel.a.id": "7",
      "tunnel.a.local": "192.0.2.1",
      "tunnel.a.remote": "192.0.2.200",
    },
  });
  assert.match(
    await inside("ip", "-d", "link", "show", `${BRIDGE}-a`),
    /vxlan id 7.*master|master/s,
  );

  await api.do("PATCH", AT, {
    config: {
      "tunnel.a.protocol": "",
      "tunnel.a.id": "",
      "tunnel.a.local": "",
      "tunnel.a.remote": "",
    },
  });

  assert.doesNotMatch(await inside("ip", "link"), new RegExp(`${BRIDGE}-a`));
});

Deno.test("networks: the state of an interface tells its addresses, counters and ports", async () => {
  const state = await api.get(`${AT}/state`);

  assert.equal(state.mtu, 1500);
  assert.equal(state.state, "up");
  assert.ok(state.addresses.some(({ address }: { address: string }) => address === "192.0.2.1"));
  assert.deepEqual(state.bridge.upper_devices, []);
  assert.deepEqual(Object.keys(state.counters).toSorted().slice(0, 2), [
    "bytes_received",
    "bytes_sent",
  ]);
});

Deno.test("networks: one of type macvlan needs a parent that is there", async () => {
  const wish = (parent: string) => ({ name: "rulesmv", type: "macvlan", config: { parent } });

  assert.equal((await api.fails("POST", "/1.0/networks", wish("nowhere9")))[0], 400);
  assert.equal((await api.fails("POST", "/1.0/networks", wish("")))[0], 400);
  await api.do("POST", "/1.0/networks", wish(BRIDGE));

  assert.equal((await api.get("/1.0/networks/rulesmv")).type, "macvlan");
  await api.do("DELETE", "/1.0/networks/rulesmv");
});

Deno.test("networks: a wrong value changes nothing", async () => {
  const before = await api.get(AT);
  const wrong: Record<string, string>[] = [
    { "ipv4.address": "300.1.1.1/24" },
    { "bridge.mtu": "7" },
    { "ipv4.dhcp.ranges": "10.9.9.1-10.9.9.9" },
    { "security.acls": "nobody" },
    { "dns.zone.forward": "nowhere.example" },
    { "bridge.mode": "fan" },
    { "no.such.key": "x" },
  ];

  for (const config of wrong) {
    const [status] = await api.fails("PATCH", AT, { config });
    assert.equal(status, 400, JSON.stringify(config));
  }

  assert.deepEqual(await api.get(AT), before);
});

Deno.test("networks: a list leaves out an interface that goes while it is made", async () => {
  const churn = "for _ in $(seq 100); do ip link add gone0 type bridge; ip link del gone0; done";
  let isOver = false;
  const churned = inside("sh", "-c", churn).finally(() => isOver = true);

  const failed: string[] = [];
  while (!isOver) {
    const { status, body } = await api.ask("GET", "/1.0/networks?recursion=1");
    if (status !== 200) failed.push(JSON.stringify(body));
  }
  await churned;

  assert.deepEqual(failed, []);
});

Deno.test("networks: one whose new name is taken stays as it is, and up", async () => {
  const config = { parent: BRIDGE };
  await api.do("POST", "/1.0/networks", { name: "othernet", type: "macvlan", config });

  const { status, body } = await api.ask("POST", AT, { name: "othernet" });

  assert.equal(status, 409);
  assert.match(body.error, /Network "othernet" already exists/);
  await inside("ip", "link", "show", "dev", BRIDGE);
  assert.equal((await api.get(AT)).name, BRIDGE);
  await api.do("DELETE", "/1.0/networks/othernet");
});

Deno.test("networks: a renamed one has its bridge, rules and files under the new name", async () => {
  await api.do("POST", AT, { name: "rulesbr1" });

  await inside("ip", "link", "show", "dev", "rulesbr1");
  assert.equal(await chain(`fwd.${BRIDGE}`), undefined);
  assert.notEqual(await chain("fwd.rulesbr1"), undefined);
  const files = [...Deno.readDirSync(`${daemon.directory}/networks`)].map(({ name }) => name);
  assert.deepEqual(files.filter((name) => name.startsWith("rulesbr")), ["rulesbr1"]);
  assert.equal((await api.get("/1.0/networks/rulesbr1")).config["ipv4.address"], "192.0.2.1/24");
});
