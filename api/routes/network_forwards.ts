/** Network forwards. */
import { route } from "#api/route.ts";
import { array, configMap, object, optional, string } from "#api/schema.ts";

const Port = object({
  description: optional(string()),
  protocol: string(),
  listen_port: string(),
  target_port: optional(string()),
  target_address: string(),
});
const writable = {
  config: optional(configMap()),
  description: optional(string()),
  ports: optional(array(Port)),
} as const;
export const ForwardsPost = object({ ...writable, listen_address: string() }, {
  ignored: ["location"],
});
export const ForwardPut = object(writable, { ignored: ["listen_address", "location"] });

const all = "/1.0/networks/{network}/forwards";
const one = `${all}/{address}`;
const extension = "network_forward";
export const getForwards = route({
  method: "GET",
  path: all,
  summary: "List the forwards of a network",
  access: "trusted",
  reply: "sync",
  extension,
});
export const postForwards = route({
  method: "POST",
  path: all,
  summary: "Create a forward",
  access: "trusted",
  reply: "sync",
  body: ForwardsPost,
  extension,
});
export const getForward = route({
  method: "GET",
  path: one,
  summary: "Show a forward",
  access: "trusted",
  reply: "sync",
  extension,
});
export const putForward = route({
  method: "PUT",
  path: one,
  summary: "Replace a forward",
  access: "trusted",
  reply: "sync",
  body: ForwardPut,
  extension,
});
export const patchForward = route({
  method: "PATCH",
  path: one,
  summary: "Change a forward",
  access: "trusted",
  reply: "sync",
  body: ForwardPut,
  extension,
});
export const deleteForward = route({
  method: "DELETE",
  path: one,
  summary: "Delete a forward",
  access: "trusted",
  reply: "sync",
  extension,
});

/** For LXD's tests: the prefixes that a router next to this host should know. */
export const internalBgp = route({
  method: "GET",
  path: "/internal/testing/bgp",
  summary: "Show the prefixes that are reached through this host",
  access: "local",
  reply: "sync",
});
