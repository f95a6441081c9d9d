/** Peers of networks: LXD has them on networks of type ovn, which this server does not have. */
import { route } from "#api/route.ts";
import { unknown } from "#api/schema.ts";

const all = "/1.0/networks/{network}/peers";
const one = `${all}/{peer}`;
const refused = { access: "trusted", reply: "sync" } as const;
const summary = "Refused: peers need a network of type ovn";
const body = unknown();

export const NETWORK_PEERS = [
  route({ method: "GET", path: all, summary, ...refused }),
  route({ method: "POST", path: all, summary, body, ...refused }),
  route({ method: "GET", path: one, summary, ...refused }),
  route({ method: "PUT", path: one, summary, body, ...refused }),
  route({ method: "PATCH", path: one, summary, body, ...refused }),
  route({ method: "DELETE", path: one, summary, ...refused }),
] as const;
