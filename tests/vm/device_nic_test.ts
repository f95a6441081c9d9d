/** Interfaces that want what the host's kernel lacks pass the suite of devices: ipvlan, VLANs, policing. */
import { type DeviceCase, deviceSuite } from "#tests/suites/device.ts";
import { DeviceWorld } from "#tests/suites/device_tools.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

let world: DeviceWorld;

const linkInside = () => world.inside("ip", "-d", "link", "show", "dev", "eth1");

const ipvlan = {
  ...{ type: "nic", nictype: "ipvlan", parent: "duta", name: "eth1" },
  "ipv4.address": "192.0.2.77",
  "ipv4.host_table": "100",
};
const ipvlan2 = {
  ...{ type: "nic", nictype: "ipvlan", parent: "duta", name: "eth1", mode: "l2" },
  "ipv4.address": "192.0.2.78/28",
  "ipv4.gateway": "192.0.2.65",
};
const vlan = {
  ...{ type: "nic", nictype: "macvlan", parent: "duta", name: "eth1", vlan: "7" },
  gvrp: "true",
};
const handed = { type: "nic", nictype: "physical", parent: "duta", name: "eth1", vlan: "8" };
const tagged = {
  ...{ type: "nic", nictype: "bridged", parent: "dutbr", name: "eth1" },
  ...{ vlan: "5", "vlan.tagged": "6-7" },
};
const policed = { type: "nic", nictype: "p2p", name: "eth1", "limits.egress": "8Mbit" };

async function plugParent(): Promise<() => Promise<unknown>> {
  await world.host("ip", "link", "add", "duta", "type", "dummy");
  await world.host("ip", "link", "set", "dev", "duta", "up");
  // For answers in place of the container.
  for (const key of ["conf/duta/forwarding", "conf/duta/proxy_ndp"]) {
    await world.host("sh", "-c", `echo 1 > /proc/sys/net/ipv6/${key}`);
  }
  await world.host("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/duta/forwarding");
  return () => world.host("ip", "link", "delete", "dev", "duta");
}

async function plugBridge(): Promise<() => Promise<unknown>> {
  // An address of its own: else it has that of its first port.
  const bridge = ["address", "0a:92:a7:0d:b7:d8", "type", "bridge", "vlan_filtering", "1"];
  await world.host("ip", "link", "add", "dutbr", ...bridge);
  // It gets addresses and routes of its own only with its first port.
  await world.host("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/dutbr/disable_ipv6");
  await world.host("ip", "link", "set", "dev", "dutbr", "up");
  return () => world.host("ip", "link", "delete", "dev", "dutbr");
}

const cases: DeviceCase[] = [
  {
    name: "nic ipvlan",
    options: ipvlan,
    isFixed: true,
    prepare: plugParent,
    async assertThere(world) {
      assert.match(await linkInside(), /UP[^]*ipvlan +mode l3s bridge/);
      assert.match(
        await world.inside("ip", "-4", "addr", "show", "dev", "eth1"),
        /inet 192\.0\.2\.77\/32/,
      );
      assert.match(await world.inside("ip", "route"), /default dev eth1/);
      assert.match(await world.host("ip", "neigh", "show", "proxy"), /192\.0\.2\.77/);
      assert.match(await world.host("ip", "route", "show", "table", "100"), /192\.0\.2\.77/);
    },
  },
  {
    name: "nic ipvlan in mode l2",
    options: ipvlan2,
    isFixed: true,
    prepare: plugParent,
    async assertThere(world) {
      assert.match(await linkInside(), /UP[^]*ipvlan +mode l2 bridge/);
      assert.match(
        await world.inside("ip", "-4", "addr", "show", "dev", "eth1"),
        /inet 192\.0\.2\.78\/28/,
      );
      assert.match(await world.inside("ip", "route"), /default via 192\.0\.2\.65 dev eth1/);
    },
  },
  {
    name: "nic ipvlan on a VLAN",
    options: { ...ipvlan, "ipv4.host_table": "101", vlan: "9" },
    isFixed: true,
    prepare: plugParent,
    async assertThere(world) {
      assert.match(await linkInside(), /UP[^]*ipvlan +mode l3s bridge/);
      assert.match(await world.host("ip", "neigh", "show", "proxy"), /192\.0\.2\.77 dev duta\.9/);
    },
  },
  {
    name: "nic macvlan on a VLAN",
    options: vlan,
    changed: { ...vlan, mtu: "1400" },
    prepare: plugParent,
    async assertThere(world, options) {
      assert.match(await linkInside(), new RegExp(`UP.* mtu ${options["mtu"] ?? "1500"} `));
      const parent = await world.host("ip", "-d", "link", "show", "dev", "duta.7");
      assert.match(parent, /vlan .*id 7 .*GVRP/);
    },
  },
  {
    name: "nic physical on a VLAN",
    options: handed,
    changed: { ...handed, mtu: "1400" },
    prepare: plugParent,
    async assertThere(_world, options) {
      assert.match(await linkInside(), new RegExp(`UP.* mtu ${options["mtu"] ?? "1500"} `));
      assert.match(await linkInside(), /vlan .*id 8/);
    },
  },
  {
    name: "nic bridged on VLANs",
    options: tagged,
    changed: { ...tagged, vlan: "none" },
    prepare: plugBridge,
    async assertThere(world, options) {
      const port = await world.volatile("dut", "host_name");
      const vlans = await world.host("bridge", "vlan", "show", "dev", port);
      assert.equal(/\b5 PVID Egress Untagged/.test(vlans), options["vlan"] === "5", vlans);
      assert.doesNotMatch(vlans, /\b1 PVID/);
      assert.match(vlans, /\b6\n[^]*\b7\n/);
    },
  },
  {
    name: "nic p2p that is policed",
    options: policed,
    changed: { ...policed, "limits.egress": "4Mbit" },
    async assertThere(world, options) {
      const name = await world.volatile("dut", "host_name");
      const filter = await world.host("tc", "filter", "show", "dev", name, "ingress");
      assert.match(filter, new RegExp(`police.*rate ${options["limits.egress"]}`));
    },
  },
];

if (isMet("ipvlan")) {
  Deno.test.beforeAll(async () => {
    for (const name of ["dummy", "ipvlan", "8021q", "act_police"]) await must(["modprobe", name]);
    // A bridge wants nft rules for IP, which this kernel does not have.
    world = await DeviceWorld.open();
  });
  Deno.test.afterAll(() => world?.[Symbol.asyncDispose]());
  deviceSuite(() => world, cases);

  Deno.test("device nic macvlan on a VLAN: a parent that is down is set up for it", async () => {
    await world.host("ip", "link", "add", "duta", "type", "dummy");
    await world.create({ dut: vlan });

    await world.setState("start");

    assert.match(await linkInside(), /[<,]UP[,>]/);
    assert.match(await world.host("ip", "link", "show", "dev", "duta"), /[<,]UP[,>]/);
    await world.remove();
    await world.host("ip", "link", "delete", "dev", "duta");
  });

  Deno.test("device nic macvlan on a VLAN: the last of those that share it takes it away", async () => {
    const remove = await plugParent();
    await world.create({ dut: vlan, second: { ...vlan, name: "eth2" } });
    await world.setState("start");

    await world.setDevice("dut", undefined);

    assert.match(await world.inside("ip", "link", "show", "dev", "eth2"), /[<,]UP[,>]/);
    await world.setDevice("second", undefined);
    await assert.rejects(world.host("ip", "link", "show", "dev", "duta.7"), /does not exist/);
    await world.remove();
    await remove();
  });

  Deno.test("network: a kernel without nftables for IP is named, and nothing is left", async () => {
    const { api } = world;

    const [status, error] = await api.fails("POST", "/1.0/networks", { name: "dutb" });

    assert.equal(status, 400);
    assert.match(error, /no nftables of the family "inet"[^]*CONFIG_NF_TABLES_INET/);
    assert.deepEqual(
      (await api.get("/1.0/networks")).filter((one: string) => /dutb/.test(one)),
      [],
    );
    await assert.rejects(world.host("ip", "link", "show", "dev", "dutb"), /does not exist/);
  });
}
