/** Apply an image's templates to a stopped instance. Its files are hostile: paths stay in the root. */
import { guestPath } from "#base/brand.ts";
import { ERRNO, Fault, isErrno } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { toHost } from "#daemon/idmap/format.ts";
import type { DiskMap } from "#daemon/storage/shift.ts";
import { renderTemplate, type TemplateContext } from "#daemon/guest/template.ts";
import { readIfThere } from "#daemon/host/files.ts";
import {
  type ImageMetadata,
  type ImageTemplate,
  parseInstanceMetadata,
} from "#daemon/images/metadata.ts";
import { O, openPath } from "#ffi/libc/fd.ts";
import {
  changeOwner,
  changeOwnerAt,
  makeDirectoryAt,
  openInRoot,
  openParent,
} from "#ffi/libc/in_root.ts";
import { libc } from "#ffi/libc/open.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { architectureName, type InstanceRecord } from "./record.ts";

export type Trigger = "create" | "copy" | "rename" | "start";

/** metadata.yaml beside the root; undefined if the instance has none. */
async function readMetadata(
  ctx: InstanceContext,
  instance: InstanceRecord,
): Promise<ImageMetadata | undefined> {
  const directory = ctx.storage.instances.directory(volumeOf(instance));
  const text = await readIfThere(`${directory}/metadata.yaml`);
  return text === undefined ? undefined : parseInstanceMetadata(text);
}

/**
 * Render what the triggers ask for into the root. Costs a mount only where there is something to do.
 *
 * @throws {Fault} bad_request if a template can't be understood.
 */
export async function applyTemplates(
  ctx: InstanceContext,
  instance: InstanceRecord,
  { triggers, diskMap }: { readonly triggers: readonly Trigger[]; readonly diskMap: DiskMap },
): Promise<void> {
  const metadata = await readMetadata(ctx, instance);
  const wanted = Object.entries(metadata?.templates ?? {}).filter(([, template]) =>
    template.when.some((when) => (triggers as readonly string[]).includes(when))
  );
  if (metadata === undefined || wanted.length === 0) return;
  const volume = volumeOf(instance);
  const directory = ctx.storage.instances.directory(volume);
  await using root = await ctx.storage.instances.openStopped(volume);
  const owner = [toHost(diskMap, "uid", 0), toHost(diskMap, "gid", 0)] as const;
  using rootFd = openPath(root.path, O.PATH | O.DIRECTORY);
  for (const [path, template] of wanted) {
    const source = await readTemplate(`${directory}/templates/${template.template}`);
    const trigger = template.when.find((when) => (triggers as readonly string[]).includes(when)) ??
      "start";
    const text = renderTemplate(
      source,
      templateContext(instance, metadata, {
        path,
        trigger,
        template,
      }),
    );
    writeInside({ fd: rootFd.fd, owner }, path, text, template.createOnly);
  }
}

async function readTemplate(path: string): Promise<string> {
  const text = await readIfThere(path);
  if (text !== undefined) return text;
  const name = path.split("/").at(-1);
  throw new Fault("bad_request", `cannot apply template "${name}": no such file`, {
    hint: "The image's metadata.yaml names it; lxc config template edit makes it.",
  });
}

/** What templates see. @see LXD doc/image-handling.md */
function templateContext(
  instance: InstanceRecord,
  metadata: ImageMetadata,
  options: { path: string; trigger: string; template: ImageTemplate },
): TemplateContext {
  const config = { ...instance.expandedConfig };
  const meta = {
    name: instance.name,
    type: "container",
    architecture: architectureName(instance.architecture),
    privileged: isTrue(config["security.privileged"]) ? "true" : "false",
    ephemeral: instance.isEphemeral ? "true" : "false",
  };
  return {
    trigger: options.trigger,
    path: options.path,
    instance: meta,
    container: meta,
    config,
    devices: { ...instance.expandedDevices },
    properties: { ...options.template.properties },
    image: { ...metadata.properties },
    config_get: (key = "", otherwise = "") => {
      const value = config[key];
      return value === undefined || value === "" ? otherwise : value;
    },
  };
}

interface OwnedRoot {
  readonly fd: Parameters<typeof openInRoot>[0];
  /** The container's root, on disk. */
  readonly owner: readonly [uid: number, gid: number];
}

/** Write a file below the root, following links only inside of it; owner is the container's root. */
function writeInside(
  root: OwnedRoot,
  path: string,
  text: string,
  createOnly: boolean,
): void {
  const inside = guestPath(path);
  makeParents(root, path);
  const flags = O.WRONLY | O.CREAT | (createOnly ? O.EXCL : O.TRUNC);
  try {
    using file = openInRoot(root.fd, inside, flags, 0o644);
    const bytes = new TextEncoder().encode(text);
    for (let offset = 0; offset < bytes.length;) {
      const part = bytes.subarray(offset);
      const written = Number(libc().write(file.fd, part, BigInt(part.length)));
      if (written <= 0) {
        throw new Fault("no_space", `no space left to write "${path}" in the instance`);
      }
      offset += written;
    }
    if (root.owner[0] !== 0) changeOwner(file.fd, ...root.owner);
  } catch (error) {
    if (createOnly && isErrno(error, ERRNO.EEXIST)) return;
    throw error;
  }
}

function makeParents(root: OwnedRoot, path: string): void {
  const parts = path.split("/").filter((part) => part !== "").slice(0, -1);
  for (let count = 1; count <= parts.length; count++) {
    const { directory, name } = openParent(root.fd, guestPath(parts.slice(0, count).join("/")));
    using held = directory;
    try {
      makeDirectoryAt(held.fd, name, 0o755);
      changeOwnerAt(held.fd, name, ...root.owner);
    } catch (error) {
      if (!isErrno(error, ERRNO.EEXIST)) throw error;
    }
  }
}
