/** Peers of networks: what is missing for them. */
import { NETWORK_PEERS } from "#api/routes/network_peers.ts";
import { Fault } from "#base/errors.ts";
import { getNetwork } from "#daemon/db/networks.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { type BoundRoute, handle } from "#daemon/http/handle.ts";

const routes: readonly BoundRoute[] = NETWORK_PEERS.map((row) =>
  handle(row, async ({ db }, { params, query }) => {
    const { type } = await db.read(async (tx) => {
      const owner = await effectiveProject(tx, query.project, "networks");
      return await getNetwork(tx, owner.id, params.network);
    });
    throw new Fault("bad_request", `Network driver "${type}" does not support peering`, {
      hint: "Peers need networks of type ovn, which this server does not have.",
    });
  })
);
export default routes;
