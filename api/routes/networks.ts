/** Networks. */
import { route } from "#api/route.ts";
import { configMap, object, optional, string } from "#api/schema.ts";

const writable = { config: optional(configMap()), description: optional(string()) } as const;
const readOnly = ["managed", "status", "locations", "used_by"];
export const NetworksPost = object({ ...writable, name: string(), type: optional(string()) }, {
  ignored: readOnly,
});
export const NetworkPut = object(writable, { ignored: [...readOnly, "name", "type"] });

const one = "/1.0/networks/{name}";
export const getNetworks = route({
  method: "GET",
  path: "/1.0/networks",
  summary: "List networks and the host's interfaces",
  access: "trusted",
  reply: "sync",
});
export const postNetworks = route({
  method: "POST",
  path: "/1.0/networks",
  summary: "Create a network",
  access: "trusted",
  reply: "sync",
  body: NetworksPost,
});
export const getNetwork = route({
  method: "GET",
  path: one,
  summary: "Show a network",
  access: "trusted",
  reply: "sync",
});
export const putNetwork = route({
  method: "PUT",
  path: one,
  summary: "Replace the configuration of a network",
  access: "trusted",
  reply: "sync",
  body: NetworkPut,
});
export const patchNetwork = route({
  method: "PATCH",
  path: one,
  summary: "Change some of the configuration of a network",
  access: "trusted",
  reply: "sync",
  body: NetworkPut,
  extension: "patch",
});
export const postNetwork = route({
  method: "POST",
  path: one,
  summary: "Rename an unused network",
  access: "trusted",
  reply: "sync",
  body: object({ name: string() }),
});
export const deleteNetwork = route({
  method: "DELETE",
  path: one,
  summary: "Delete an unused network",
  access: "trusted",
  reply: "sync",
});
export const getNetworkLeases = route({
  method: "GET",
  path: `${one}/leases`,
  summary: "List DHCP leases and fixed addresses",
  access: "trusted",
  reply: "sync",
  extension: "network_leases",
});
export const getNetworkState = route({
  method: "GET",
  path: `${one}/state`,
  summary: "Show addresses and counters of a network's interface",
  access: "trusted",
  reply: "sync",
  extension: "network_state",
});
