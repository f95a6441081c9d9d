/** Bonds, VLANs and bridges that filter VLANs, which the host's kernel lacks: told as LXD tells them. */
import { compareStates } from "#tests/suites/network_state.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

const LINKS = [
  "link add tw0 address 00:16:3e:00:00:01 type dummy",
  "link add tw1 address 00:16:3e:00:00:02 type dummy",
  "link add twbond0 address 00:16:3e:00:00:03 type bond mode 802.3ad miimon 100 updelay 200 " +
  "downdelay 300 xmit_hash_policy layer3+4",
  "link set tw0 master twbond0",
  "link set tw1 master twbond0",
  "link set twbond0 up",
  "link add tw2 address 00:16:3e:00:00:06 type dummy",
  "link add twbond1 address 00:16:3e:00:00:04 type bond mode active-backup",
  "link set tw2 master twbond1", // Of a bond of nothing LXD says that it is of "".
  "link add link twbond0 name tw.7 type vlan id 7",
  "link set tw.7 up",
  "link add twbr0 address 00:16:3e:00:00:05 type bridge vlan_filtering 1 vlan_default_pvid 42",
];

if (isMet("bonding")) {
  Deno.test("network state: bonds, VLANs and VLANs of bridges are told alike", async () => {
    for (const name of ["dummy", "bonding", "8021q", "bridge"]) await must(["modprobe", name]);

    const states = await compareStates(LINKS, ["twbond0", "twbond1", "tw.7", "twbr0", "tw0"]);

    assert.deepEqual(states.get("twbond0")?.bond, {
      mode: "802.3ad",
      transmit_policy: "layer3+4",
      up_delay: 200,
      down_delay: 300,
      mii_frequency: 100,
      mii_state: "up",
      lower_devices: ["tw0", "tw1"],
    });
    assert.deepEqual(states.get("tw.7")?.vlan, { lower_device: "twbond0", vid: 7 });
    assert.equal(states.get("twbr0")?.bridge.vlan_default, 42);
  });
}
