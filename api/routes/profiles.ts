/** Profiles. */
import { route } from "#api/route.ts";
import { array, configMap, devicesMap, type Infer, object, optional, string } from "#api/schema.ts";

export const ProfileObject = object({
  config: configMap(),
  description: string(),
  devices: devicesMap(),
  name: string(),
  used_by: array(string()),
});
export type ProfileObject = Infer<typeof ProfileObject>;

const writable = {
  config: optional(configMap()),
  description: optional(string()),
  devices: optional(devicesMap()),
} as const;
export const ProfilePut = object(writable, { ignored: ["name", "used_by"] });
export type ProfilePut = Infer<typeof ProfilePut>;
export const ProfilesPost = object({ ...writable, name: string() }, { ignored: ["used_by"] });

const one = "/1.0/profiles/{name}";
export const getProfiles = route({
  method: "GET",
  path: "/1.0/profiles",
  summary: "List profiles",
  access: "trusted",
  reply: "sync",
});
export const postProfiles = route({
  method: "POST",
  path: "/1.0/profiles",
  summary: "Create a profile",
  access: "trusted",
  reply: "sync",
  body: ProfilesPost,
});
export const getProfile = route({
  method: "GET",
  path: one,
  summary: "Show a profile",
  access: "trusted",
  reply: "sync",
  metadata: ProfileObject,
});
export const putProfile = route({
  method: "PUT",
  path: one,
  summary: "Replace a profile; instances that use it change with it",
  access: "trusted",
  reply: "sync",
  body: ProfilePut,
});
export const patchProfile = route({
  method: "PATCH",
  path: one,
  summary: "Change a profile; instances that use it change with it",
  access: "trusted",
  reply: "sync",
  body: ProfilePut,
  extension: "patch",
});
export const postProfile = route({
  method: "POST",
  path: one,
  summary: "Rename a profile",
  access: "trusted",
  reply: "sync",
  body: object({ name: string() }),
});
export const deleteProfile = route({
  method: "DELETE",
  path: one,
  summary: "Delete an unused profile",
  access: "trusted",
  reply: "sync",
});
