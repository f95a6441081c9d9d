/** image: what instances are made of. */
import { type Command, command, group, UsageError } from "#cli/command.ts";
import { editThing } from "#cli/commands/config_verbs.ts";
import { update } from "#cli/keys.ts";
import { isUnset, shortTime } from "#cli/output/time.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { ALIAS_COMMANDS } from "./alias.ts";
import { IMAGE_BUILD } from "./build.ts";
import { IMAGE_COPY } from "./copy.ts";
import { IMAGE_EXPORT } from "./export.ts";
import { VM_FLAG } from "./flags.ts";
import { IMAGE_IMPORT } from "./import.ts";
import { IMAGE_LIST } from "./list.ts";
import { type Image, imageOf } from "./lookup.ts";
import { TREE_COMMANDS } from "./tree.ts";

const IMAGE = "[<remote>:]<image>";

const HELP = `Each property is represented by a single line:
An example would be:
 description: My custom image`;

/** What of an image a person may change. */
const writable = ({ auto_update, properties, public: isPublic, expires_at, profiles }: Image) => ({
  auto_update,
  properties,
  public: isPublic,
  expires_at,
  profiles,
});

const typeWish = (vm: boolean) => vm ? "virtual-machine" : "";

const OF_IMAGES: readonly Command[] = [
  command({
    name: "image delete",
    usage: `${IMAGE} [${IMAGE}...]`,
    summary: "Delete images",
    aliases: ["rm"],
    args: [1, Infinity],
    async run(context, labels) {
      for (const label of labels) {
        const { client, url } = await imageOf(context, label);
        await context.operate(client, "DELETE", url);
      }
    },
  }),
  command({
    name: "image edit",
    usage: IMAGE,
    summary: "Edit image properties",
    examples: [
      { call: "lxc image edit <image>", what: "Launch a text editor to edit the properties" },
      {
        call: "lxc image edit <image> < image.yaml",
        what: "Load the image properties from a YAML file",
      },
    ],
    args: [1, 1],
    async run(context, [label = ""]) {
      const place = await imageOf(context, label);
      await editThing(context, place, {
        one: "image properties",
        shape: "imagePut",
        help: HELP,
        editable: (image) => writable(image as unknown as Image),
      });
    },
  }),
  command({
    name: "image info",
    usage: IMAGE,
    summary: "Show useful information about images",
    flags: VM_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { vm }) {
      const { client, url } = await imageOf(context, label, typeWish(vm));
      context.out.text(infoText(await client.get<Image>(url)));
    },
  }),
  command({
    name: "image refresh",
    usage: `${IMAGE} [${IMAGE}...]`,
    summary: "Refresh images",
    args: [1, Infinity],
    async run(context, labels) {
      for (const label of labels) {
        const { client, url } = await imageOf(context, label);
        const operation = await context.operate(client, "POST", `${url}/refresh`, {
          title: "Refreshing the image",
        });
        context.out.say(
          operation.metadata?.refreshed === true
            ? "Image refreshed successfully!"
            : "Image already up to date.",
        );
      }
    },
  }),
  command({
    name: "image show",
    usage: IMAGE,
    summary: "Show image properties",
    flags: VM_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { vm }) {
      const { client, url } = await imageOf(context, label, typeWish(vm));
      context.out.text(toYaml(writable(await client.get<Image>(url)), shape("imagePut")));
    },
  }),
];

const OF_PROPERTIES: readonly Command[] = [
  command({
    name: "image get-property",
    usage: `${IMAGE} <key>`,
    summary: "Get image properties",
    args: [2, 2],
    async run(context, [label = "", key = ""]) {
      const { client, url } = await imageOf(context, label);
      const { properties } = await client.get<Image>(url);
      const value = properties?.[key];
      if (value === undefined) throw new Error("Property not found");
      context.out.line(value);
    },
  }),
  command({
    name: "image set-property",
    usage: `${IMAGE} <key> <value>`,
    summary: "Set image properties",
    args: [3, 3],
    async run(context, [label = "", key = "", value = ""]) {
      if (key === "") throw new UsageError("Property name missing");
      const { client, url } = await imageOf(context, label);
      await update<Image>(client, url, (image) => ({
        ...writable(image),
        properties: { ...image.properties, [key]: value },
      }));
    },
  }),
  command({
    name: "image unset-property",
    usage: `${IMAGE} <key>`,
    summary: "Unset image properties",
    args: [2, 2],
    async run(context, [label = "", key = ""]) {
      const { client, url } = await imageOf(context, label);
      await update<Image>(client, url, (image) => {
        const { [key]: _old, ...properties } = image.properties ?? {};
        return { ...writable(image), properties };
      });
    },
  }),
];

export const IMAGE_COMMANDS: readonly Command[] = [
  group("image", "Manage images", {
    description: `In LXD instances are created from images. Those images were themselves
either generated from an existing instance or downloaded from an image
server.

When using remote images, LXD will automatically cache images for you
and remove them upon expiration.

The image unique identifier is the hash (sha-256) of its representation
as a compressed tarball (or for split images, the concatenation of the
metadata and rootfs tarballs).

Images can be referenced by their full hash, shortest unique partial
hash or alias name (if one is set).`,
  }),
  ...ALIAS_COMMANDS,
  IMAGE_BUILD,
  IMAGE_COPY,
  IMAGE_EXPORT,
  IMAGE_IMPORT,
  IMAGE_LIST,
  ...OF_IMAGES,
  ...OF_PROPERTIES,
  ...TREE_COMMANDS,
];

/** What `image info` prints. Pure. */
function infoText(image: Image): string {
  const time = (text: string) => isUnset(text) ? "never" : shortTime(text);
  const lines = [
    `Fingerprint: ${image.fingerprint}`,
    `Size: ${(image.size / 1024 / 1024).toFixed(2)}MB`,
    `Architecture: ${image.architecture}`,
    `Type: ${image.type || "container"}`,
    `Public: ${image.public ? "yes" : "no"}`,
    "Timestamps:",
  ];
  if (!isUnset(image.created_at)) lines.push(`    Created: ${shortTime(image.created_at)}`);
  lines.push(
    `    Uploaded: ${shortTime(image.uploaded_at)}`,
    `    Expires: ${time(image.expires_at)}`,
    `    Last used: ${time(image.last_used_at)}`,
    "Properties:",
    ...Object.entries(image.properties ?? {}).map(([key, value]) => `    ${key}: ${value}`),
    "Aliases:",
    ...(image.aliases ?? []).map(({ name, description }) =>
      description === "" ? `    - ${name}` : `    - ${name} (${description})`
    ),
    `Cached: ${image.cached ? "yes" : "no"}`,
    `Auto update: ${image.auto_update ? "enabled" : "disabled"}`,
  );
  if (image.update_source !== undefined) {
    const { server, protocol, alias } = image.update_source;
    lines.push("Source:", `    Server: ${server}`, `    Protocol: ${protocol}`);
    lines.push(`    Alias: ${alias}`);
  }
  const profiles = image.profiles ?? [];
  if (profiles.length === 0) lines.push("Profiles: []");
  else lines.push("Profiles:", ...profiles.map((name) => `    - ${name}`));
  return lines.join("\n") + "\n";
}
