/** Hooks of containers, called by liblxc through the helper. Not part of the public API. */
import { route } from "#api/route.ts";
import { object, optional, string } from "#api/schema.ts";

export const containerOnStop = route({
  method: "POST",
  path: "/internal/containers/{id}/onstop",
  summary: "Internal: a container ends",
  access: "local",
  reply: "sync",
  query: object({ target: optional(string()), monitor: optional(string()) }),
});
