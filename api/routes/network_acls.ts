/** Network ACLs. */
import { route } from "#api/route.ts";
import { array, configMap, object, optional, string } from "#api/schema.ts";

const Rule = object({
  action: optional(string()),
  source: optional(string()),
  destination: optional(string()),
  protocol: optional(string()),
  source_port: optional(string()),
  destination_port: optional(string()),
  icmp_type: optional(string()),
  icmp_code: optional(string()),
  description: optional(string()),
  state: optional(string()),
});
const writable = {
  config: optional(configMap()),
  description: optional(string()),
  egress: optional(array(Rule)),
  ingress: optional(array(Rule)),
} as const;
export const NetworkAclsPost = object({ ...writable, name: string() }, { ignored: ["used_by"] });
export const NetworkAclPut = object(writable, { ignored: ["name", "used_by"] });

const one = "/1.0/network-acls/{name}";
const extension = "network_acl";
export const getNetworkAcls = route({
  method: "GET",
  path: "/1.0/network-acls",
  summary: "List network ACLs",
  access: "trusted",
  reply: "sync",
  extension,
});
export const postNetworkAcls = route({
  method: "POST",
  path: "/1.0/network-acls",
  summary: "Create a network ACL",
  access: "trusted",
  reply: "sync",
  body: NetworkAclsPost,
  extension,
});
export const getNetworkAcl = route({
  method: "GET",
  path: one,
  summary: "Show a network ACL",
  access: "trusted",
  reply: "sync",
  extension,
});
export const putNetworkAcl = route({
  method: "PUT",
  path: one,
  summary: "Replace a network ACL",
  access: "trusted",
  reply: "sync",
  body: NetworkAclPut,
  extension,
});
export const patchNetworkAcl = route({
  method: "PATCH",
  path: one,
  summary: "Change a network ACL",
  access: "trusted",
  reply: "sync",
  body: NetworkAclPut,
  extension,
});
export const postNetworkAcl = route({
  method: "POST",
  path: one,
  summary: "Rename a network ACL that nothing uses",
  access: "trusted",
  reply: "sync",
  body: object({ name: string() }),
  extension,
});
export const deleteNetworkAcl = route({
  method: "DELETE",
  path: one,
  summary: "Delete a network ACL that nothing uses",
  access: "trusted",
  reply: "sync",
  extension,
});
export const getNetworkAclLog = route({
  method: "GET",
  path: `${one}/log`,
  summary: "Show what rules with state logged saw",
  access: "trusted",
  reply: "raw",
  extension: "network_acl_log",
});
