/** What an instance has from its image. */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  type Infer,
  integer,
  map,
  object,
  optional,
  string,
} from "#api/schema.ts";

export const InstanceMetadata = object({
  architecture: optional(string()),
  /** Seconds since 1970. */
  creation_date: optional(integer()),
  expiry_date: optional(integer()),
  properties: optional(configMap()),
  templates: optional(map(object({
    when: optional(array(string())),
    create_only: optional(boolean()),
    template: optional(string()),
    properties: optional(configMap()),
  }))),
});
export type InstanceMetadata = Infer<typeof InstanceMetadata>;

const at = "/1.0/instances/{name}/metadata";
const templates = `${at}/templates`;
const templateQuery = object({ path: optional(string()) });

export const getInstanceMetadata = route({
  method: "GET",
  path: at,
  summary: "Show the image metadata of an instance",
  access: "trusted",
  reply: "sync",
  metadata: InstanceMetadata,
});
export const putInstanceMetadata = route({
  method: "PUT",
  path: at,
  summary: "Replace the image metadata of an instance",
  access: "trusted",
  reply: "sync",
  body: InstanceMetadata,
  extension: "container_edit_metadata",
});
export const patchInstanceMetadata = route({
  method: "PATCH",
  path: at,
  summary: "Change some of the image metadata of an instance",
  access: "trusted",
  reply: "sync",
  body: InstanceMetadata,
  extension: "instance_metadata_patch",
});
export const getInstanceTemplates = route({
  method: "GET",
  path: templates,
  summary: "List the templates of an instance, or read one (`path`)",
  access: "trusted",
  reply: "raw",
  query: templateQuery,
  extension: "container_edit_metadata",
});
export const postInstanceTemplate = route({
  method: "POST",
  path: templates,
  summary: "Write a template of an instance",
  access: "trusted",
  reply: "sync",
  query: templateQuery,
  stream: true,
  extension: "container_edit_metadata",
});
export const deleteInstanceTemplate = route({
  method: "DELETE",
  path: templates,
  summary: "Delete a template of an instance",
  access: "trusted",
  reply: "sync",
  query: templateQuery,
  extension: "container_edit_metadata",
});
