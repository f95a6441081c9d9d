/** Images and their aliases: rows and bodies of /1.0/images. */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  type Infer,
  integer,
  object,
  optional,
  string,
} from "#api/schema.ts";

export const ImageAlias = object({
  name: string(),
  description: optional(string()),
});

export const ImageObject = object({
  auto_update: boolean(),
  properties: configMap(),
  public: boolean(),
  expires_at: string(),
  profiles: array(string()),
  aliases: array(object({ name: string(), description: string() })),
  architecture: string(),
  cached: boolean(),
  filename: string(),
  fingerprint: string(),
  size: integer(),
  type: string(),
  created_at: string(),
  last_used_at: string(),
  uploaded_at: string(),
  update_source: optional(
    object({
      alias: string(),
      certificate: string(),
      protocol: string(),
      server: string(),
      image_type: string(),
    }),
  ),
});
export type ImageObject = Infer<typeof ImageObject>;

export const ImagePut = object({
  auto_update: optional(boolean()),
  properties: optional(configMap()),
  public: optional(boolean()),
  expires_at: optional(string()),
  profiles: optional(array(string())),
}, {
  ignored: [
    "aliases",
    "architecture",
    "cached",
    "filename",
    "fingerprint",
    "size",
    "type",
    "created_at",
    "last_used_at",
    "uploaded_at",
    "update_source",
  ],
});
export type ImagePut = Infer<typeof ImagePut>;

/** Where a new image comes from. `build` is ours: `alias` names a recipe such as "debian/12". */
export const ImageSource = object({
  /** instance | container | snapshot | virtual-machine | image | url | build */
  type: optional(string()),
  name: optional(string()),
  url: optional(string()),
  alias: optional(string()),
  fingerprint: optional(string()),
  server: optional(string()),
  protocol: optional(string()),
  certificate: optional(string()),
  secret: optional(string()),
  mode: optional(string()),
  image_type: optional(string()),
  project: optional(string()),
  /** `build`: path of a keyring file for debootstrap, on the server. */
  keyring: optional(string()),
  /** `build`: packages of the distribution that the image shall have too, say docker.io. */
  packages: optional(array(string())),
});
export type ImageSource = Infer<typeof ImageSource>;

export const ImagesPost = object({
  auto_update: optional(boolean()),
  properties: optional(configMap()),
  public: optional(boolean()),
  expires_at: optional(string()),
  profiles: optional(array(string())),
  filename: optional(string()),
  source: optional(ImageSource),
  compression_algorithm: optional(string()),
  aliases: optional(array(ImageAlias)),
});
export type ImagesPost = Infer<typeof ImagesPost>;

/** Where to push an image, with the secret by which that server expects it. */
export const ImageExportPost = object({
  target: string(),
  secret: string(),
  certificate: optional(string()),
  aliases: optional(array(ImageAlias)),
  profiles: optional(array(string())),
  project: optional(string()),
});
export type ImageExportPost = Infer<typeof ImageExportPost>;

export const AliasObject = object({
  name: string(),
  description: string(),
  target: string(),
  type: string(),
});
export type AliasObject = Infer<typeof AliasObject>;

export const AliasesPost = object({
  name: string(),
  description: optional(string()),
  target: string(),
  type: optional(string()),
});
export const AliasPut = object({
  description: optional(string()),
  target: optional(string()),
}, { ignored: ["name", "type"] });
export const AliasPost = object({ name: string() });

const at = "/1.0/images";
const one = "/1.0/images/{fingerprint}";
const aliases = "/1.0/images/aliases";
/** Alias names contain slashes ("debian/12"), percent-encoded in the path. */
const alias = "/1.0/images/aliases/{name}";

export const getImages = route({
  method: "GET",
  path: at,
  summary: "List images; untrusted callers see public ones",
  access: "anyone",
  reply: "sync",
});
export const postImages = route({
  method: "POST",
  path: at,
  summary: "Import, fetch, publish or build an image; a secret lets untrusted callers upload one",
  access: "anyone",
  reply: "operation",
  body: ImagesPost,
  stream: true,
});
export const getImage = route({
  method: "GET",
  path: one,
  summary: "Show an image",
  access: "anyone",
  reply: "sync",
  query: object({ secret: optional(string()) }),
  metadata: ImageObject,
});
export const putImage = route({
  method: "PUT",
  path: one,
  summary: "Replace the properties of an image",
  access: "trusted",
  reply: "sync",
  body: ImagePut,
});
export const patchImage = route({
  method: "PATCH",
  path: one,
  summary: "Change some properties of an image",
  access: "trusted",
  reply: "sync",
  body: ImagePut,
  extension: "patch",
});
export const deleteImage = route({
  method: "DELETE",
  path: one,
  summary: "Delete an image",
  access: "trusted",
  reply: "operation",
});
export const exportImage = route({
  method: "GET",
  path: `${one}/export`,
  summary: "Download the files of an image",
  access: "anyone",
  reply: "raw",
  query: object({ secret: optional(string()) }),
});
export const pushImage = route({
  method: "POST",
  path: `${one}/export`,
  summary: "Upload the image to another server",
  access: "trusted",
  reply: "operation",
  body: ImageExportPost,
  extension: "images_push_relay",
});
export const refreshImage = route({
  method: "POST",
  path: `${one}/refresh`,
  summary: "Fetch what the source of the image has now",
  access: "trusted",
  reply: "operation",
  extension: "image_force_refresh",
});
export const postImageSecret = route({
  method: "POST",
  path: `${one}/secret`,
  summary: "Make a secret with which an untrusted client may download the image once",
  access: "trusted",
  reply: "operation",
});
export const getAliases = route({
  method: "GET",
  path: aliases,
  summary: "List image aliases",
  access: "anyone",
  reply: "sync",
});
export const postAliases = route({
  method: "POST",
  path: aliases,
  summary: "Create an image alias",
  access: "trusted",
  reply: "sync",
  body: AliasesPost,
});
export const getAlias = route({
  method: "GET",
  path: alias,
  summary: "Show an image alias",
  access: "anyone",
  reply: "sync",
  metadata: AliasObject,
});
export const putAlias = route({
  method: "PUT",
  path: alias,
  summary: "Replace an image alias",
  access: "trusted",
  reply: "sync",
  body: AliasPut,
});
export const patchAlias = route({
  method: "PATCH",
  path: alias,
  summary: "Change an image alias",
  access: "trusted",
  reply: "sync",
  body: AliasPut,
  extension: "patch",
});
export const postAlias = route({
  method: "POST",
  path: alias,
  summary: "Rename an image alias",
  access: "trusted",
  reply: "sync",
  body: AliasPost,
});
export const deleteAlias = route({
  method: "DELETE",
  path: alias,
  summary: "Delete an image alias",
  access: "trusted",
  reply: "sync",
});
