/** The state of bridges and their ports: ours and LXD's say the same, both clients print the same. */
import { compareStates } from "#tests/suites/network_state.ts";
import { DEBIAN } from "#tests/world/daemon.ts";
import assert from "node:assert/strict";
import { isInstalled } from "../installed.ts";

Deno.test({
  name: "network state: bridges, their ports and lo are told alike",
  ignore: !await isInstalled(DEBIAN.lxd, "lxd"),
  async fn() {
    const states = await compareStates([
      "link add twbr0 address 00:16:3e:00:00:01 type bridge forward_delay 400 stp_state 1",
      "link add twv0 address 00:16:3e:00:00:02 type veth peer name twv1",
      "link add twv2 address 00:16:3e:00:00:03 mtu 1400 type veth peer name twv3",
      "link set twv0 master twbr0",
      "link set twv2 master twbr0",
      "addr add 10.248.1.1/24 dev twbr0",
      "addr add fd42:248::1/64 dev twbr0 nodad",
      "link add twbr1 address 00:16:3e:00:00:04 type bridge",
      "link set twbr0 up",
    ], ["twbr0", "twbr1", "twv0", "twv2", "lo"]);

    const { bridge, bond, vlan, ovn } = states.get("twbr0") ?? {};
    assert.deepEqual([bridge.upper_devices, bridge.stp, bridge.forward_delay], [
      ["twv0", "twv2"],
      true,
      400,
    ]);
    assert.deepEqual([bond, vlan, ovn], [null, null, null]);
  },
});
