/** Interfaces pass the suite of devices; what is special of each is in nic_test.ts. */
import { type DeviceCase, deviceSuite } from "#tests/suites/device.ts";
import { DeviceWorld, type Options } from "#tests/suites/device_tools.ts";
import assert from "node:assert/strict";

let world: DeviceWorld;
Deno.test.beforeAll(async () => {
  world = await DeviceWorld.open(32);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const bridged = { type: "nic", network: "testbr0", name: "eth1", "ipv4.address": "10.247.32.9" };
const p2p = { type: "nic", nictype: "p2p", name: "eth1", "ipv4.routes": "203.0.113.7/32" };
const macvlan = { type: "nic", nictype: "macvlan", parent: "dutb", name: "eth1" };
const physical = {
  type: "nic",
  nictype: "physical",
  parent: "duta",
  name: "eth1",
  hwaddr: "0a:92:a7:0d:b7:d9",
};
const routed = {
  type: "nic",
  nictype: "routed",
  parent: "testbr0",
  name: "eth1",
  "ipv4.address": "10.247.32.77",
  "ipv4.host_table": "100",
  "ipv4.neighbor_probe": "false",
};

const linkInside = () => world.inside("ip", "-d", "link", "show", "dev", "eth1");
const hostName = () => world.volatile("dut", "host_name");

/** The rates of the host's end are those of the options. */
async function assertRates(options: Options): Promise<void> {
  const classes = await world.host("tc", "class", "show", "dev", await hostName());
  const ingress = options["limits.ingress"];
  if (ingress === undefined) assert.doesNotMatch(classes, /htb/);
  else assert.match(classes, new RegExp(`rate ${ingress}`));
}

async function plugCable(): Promise<() => Promise<unknown>> {
  await world.host("ip", "link", "add", "duta", "type", "veth", "peer", "name", "dutb");
  for (const name of ["duta", "dutb"]) await world.host("ip", "link", "set", "dev", name, "up");
  return () => world.host("ip", "link", "delete", "dev", "duta");
}

const cases: DeviceCase[] = [
  {
    name: "nic bridged",
    options: bridged,
    changed: {
      ...bridged,
      "limits.ingress": "10Mbit",
      "limits.egress": "4Mbit",
      "ipv4.address": "10.247.32.10",
      "ipv4.routes": "203.0.113.9/32",
      "security.mac_filtering": "true",
      "security.ipv4_filtering": "true",
    },
    async assertThere(world, options) {
      assert.match(await linkInside(), /UP/);
      assert.match(
        await world.host("bridge", "link", "show", "dev", await hostName()),
        /master testbr0/,
      );
      await assertRates(options);
      const rules = await world.host("nft", "list", "ruleset");
      assert.equal(rules.includes("10.247.32.10"), options["security.ipv4_filtering"] === "true");
      const routes = await world.host("ip", "route");
      assert.equal(routes.includes("203.0.113.9"), options["ipv4.routes"] !== undefined);
    },
  },
  {
    name: "nic bridged with all of it",
    options: {
      ...bridged,
      "limits.max": "8Mbit",
      "queue.tx.length": "321",
      "security.port_isolation": "true",
      "security.mac_filtering": "true",
      "ipv4.routes": "203.0.113.9/32",
    },
    changed: { ...bridged, name: "eth2" },
    async assertThere(world, options) {
      const name = options["name"] ?? "";
      const link = await world.inside("ip", "link", "show", "dev", name);
      assert.match(link, /UP/);
    },
  },
  {
    name: "nic p2p",
    options: p2p,
    changed: {
      ...p2p,
      "ipv4.routes": "203.0.113.8/32",
      "limits.ingress": "10Mbit",
      "queue.tx.length": "77",
    },
    async assertThere(world, options) {
      assert.match(await linkInside(), /UP/);
      const route = (options["ipv4.routes"] ?? "").replace("/32", "");
      assert.match(await world.host("ip", "route"), new RegExp(`${route} dev ${await hostName()}`));
      await assertRates(options);
      const link = await world.host("ip", "link", "show", "dev", await hostName());
      assert.ok(link.includes(`qlen ${options["queue.tx.length"] ?? "1000"}\n`), link);
    },
  },
  {
    name: "nic p2p with limits",
    options: { ...p2p, "limits.max": "8Mbit" },
    assertThere: async () => assert.match(await linkInside(), /UP/),
  },
  {
    name: "nic macvlan",
    options: macvlan,
    changed: { ...macvlan, mtu: "1400" },
    prepare: plugCable,
    async assertThere(_world, options) {
      assert.match(await linkInside(), new RegExp(`UP.* mtu ${options["mtu"] ?? "1500"} `));
      assert.match(await linkInside(), /macvlan mode bridge/);
    },
  },
  {
    name: "nic physical",
    options: physical,
    changed: { ...physical, mtu: "1400" },
    prepare: plugCable,
    async assertThere(_world, options) {
      assert.match(await linkInside(), new RegExp(`UP.* mtu ${options["mtu"] ?? "1500"} `));
      assert.match(await linkInside(), /0a:92:a7:0d:b7:d9/);
    },
  },
  {
    name: "nic of a physical network",
    options: { type: "nic", network: "handed", name: "eth1" },
    changed: { type: "nic", network: "handed", name: "eth1", hwaddr: "0a:92:a7:0d:b7:da" },
    async prepare() {
      const unplug = await plugCable();
      await world.api.do("POST", "/1.0/networks", {
        ...{ name: "handed", type: "physical", config: { parent: "duta" } },
      });
      return async () => {
        await world.api.do("DELETE", "/1.0/networks/handed");
        await unplug();
      };
    },
    async assertThere(_world, options) {
      assert.match(await linkInside(), /UP/);
      if (options["hwaddr"]) assert.match(await linkInside(), new RegExp(options["hwaddr"]));
    },
  },
  {
    name: "nic routed",
    options: routed,
    changed: { ...routed, "ipv4.address": "10.247.32.78" },
    async assertThere(world, { "ipv4.address": address = "" }) {
      const inside = await world.inside("ip", "-4", "addr", "show", "dev", "eth1");
      assert.ok(inside.includes(`inet ${address}/32`), inside);
      assert.match(await world.inside("ip", "route"), /^default via 169\.254\.0\.1 dev eth1/m);
      const answered = await world.host("ip", "neigh", "show", "proxy");
      assert.ok(answered.includes(address), answered);
      const routes = await world.host("ip", "route", "show", "table", "100");
      assert.ok(routes.includes(address), routes);
    },
  },
  {
    name: "nic routed by another address of the host",
    options: { ...routed, "ipv4.host_address": "169.254.9.9" },
    async assertThere(world) {
      assert.match(await world.inside("ip", "route"), /default via 169\.254\.9\.9 dev eth1/);
      const address = ["ip", "-4", "addr", "show", "dev", await hostName()];
      assert.match(await world.host(...address), /inet 169\.254\.9\.9\/32/);
    },
  },
  {
    name: "nic routed without a gateway",
    options: { ...routed, "ipv4.gateway": "none" },
    async assertThere(world) {
      assert.doesNotMatch(await world.inside("ip", "route"), /default/);
      const address = ["ip", "-4", "addr", "show", "dev", await hostName()];
      assert.doesNotMatch(await world.host(...address), /inet /);
      assert.match(await world.host("ip", "route"), /10\.247\.32\.77 dev veth/);
    },
  },
];

deviceSuite(() => world, cases);

Deno.test("nic: one that was renamed inside is taken out, not what has its name by now", async () => {
  const unplugCable = await plugCable();
  for (const options of [physical, macvlan]) {
    for (const isPlugged of [true, false]) {
      await world.create(isPlugged ? {} : { dut: options });
      await world.setState("start");
      if (isPlugged) await world.setDevice("dut", options);
      for (const line of ["set dev eth1 down", "set dev eth1 name own0", "add eth1 type bridge"]) {
        await world.inside("ip", "link", ...line.split(" "));
      }

      await world.setDevice("dut", undefined);

      const names = JSON.parse(await world.inside("ip", "-json", "link", "show"))
        .map(({ ifname }: { ifname: string }) => ifname);
      assert.ok(names.includes("eth1") && !names.includes("own0"), names.join());
      await world.host("ip", "link", "show", "dev", "duta");
      await world.remove();
    }
  }
  await unplugCable();
});
