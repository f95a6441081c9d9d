/** `?target=` names a member of a cluster: what it would be done on is not this server. Pure. */
import type { RouteRow } from "#api/route.ts";
import { Fault } from "#base/errors.ts";

/** A server without a cluster is called so. */
const NONE = "none";

/** What LXD sends on to the member; other requests have no use for the parameter. */
const SENT_ON = /^\/1\.0($|\/(resources|storage-pools|networks)($|\/))/;

/** @throws {Fault} rather than to do here what was asked of another server. */
export function refuseTarget({ method, path }: RouteRow, target: string): void {
  if (target === "" || target === NONE) return;
  const hint = "This server is not a member of a cluster: leave the target out.";
  if (method === "POST" && path === "/1.0/instances") {
    throw new Fault("bad_request", "Target only allowed when clustered", { hint });
  }
  const isMove = method === "POST" && path === "/1.0/instances/{name}";
  if (isMove || SENT_ON.test(path)) {
    throw new Fault("not_found", `Cluster member "${target}" not found`, { hint });
  }
}
