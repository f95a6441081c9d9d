/** A veth pair that hangs on nothing: the host's end is for the user to configure. */
import type { NicKind } from "./kind.ts";
import { hostNameOf } from "./names.ts";
import {
  addRoutes,
  changeLimits,
  dressPair,
  pairLines,
  planPair,
  plugPair,
  removePair,
  removeRoutes,
} from "./veth.ts";

export const p2p: NicKind = {
  type: "p2p",
  live: [
    ...["limits.egress", "limits.ingress", "limits.max", "queue.tx.length"],
    ...["ipv4.routes", "ipv6.routes"],
  ],
  async start(nic, undo) {
    const pair = await planPair(nic, undo);
    undo.add("remove the pair", () => removePair(nic));
    return {
      lxc: pairLines(pair),
      afterStart: async () => {
        await dressPair(nic);
        await addRoutes(nic.config, pair.outside);
      },
    };
  },
  stop: removePair,
  async plug(nic, pid, undo) {
    const pair = await planPair(nic, undo);
    undo.add("remove the pair", () => removePair(nic));
    await plugPair(pair, pid, { undo });
    await dressPair(nic);
    await addRoutes(nic.config, pair.outside);
  },
  unplug: (nic) => removePair(nic),
  async update(nic, before) {
    const link = hostNameOf(nic.device);
    if (link === undefined) return;
    await changeLimits(nic);
    await removeRoutes(before.config, link);
    await addRoutes(nic.config, link);
  },
};
