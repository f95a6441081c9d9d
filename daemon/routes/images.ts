/** Images: list, import, build, publish, export, edit, delete. */
import {
  deleteImage,
  exportImage,
  getImage as getImageRow,
  getImages,
  type ImageObject,
  patchImage,
  postImages,
  postImageSecret,
  pushImage,
  putImage,
  refreshImage,
} from "#api/routes/images.ts";
import { ARCHITECTURES } from "#base/architectures.ts";
import { Fault } from "#base/errors.ts";
import { parseExpiry, trimmedTime } from "#base/time.ts";
import {
  getImage,
  type ImageRow,
  listImages,
  writeImageProfiles,
  writeProperties,
} from "#daemon/db/images.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { background, type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { addImage } from "./add_image.ts";
import type { ImageService } from "#daemon/images/create.ts";
import { sendImage } from "#daemon/images/export.ts";
import { PROTOCOLS } from "#daemon/images/remote/source.ts";
import { removeImage } from "#daemon/images/remove.ts";
import { createImageSecret, findImageSecret } from "#daemon/images/secrets.ts";
import type { Upkeep } from "#daemon/images/upkeep.ts";
import type { OperationRegistry } from "#daemon/operations/registry.ts";
import type { Services } from "#daemon/services.ts";

const EPOCH = "1970-01-01T00:00:00Z";

function renderImage(image: ImageRow): ImageObject {
  return {
    auto_update: image.autoUpdate,
    properties: image.properties,
    public: image.isPublic,
    expires_at: trimmedTime(image.expiresAt || EPOCH),
    profiles: [...image.profiles],
    aliases: image.aliases.map(({ name, description }) => ({ name, description })),
    architecture: ARCHITECTURES[image.architecture] ?? "unknown",
    cached: image.isCached,
    filename: image.filename,
    fingerprint: image.fingerprint,
    size: image.size,
    type: "container",
    created_at: trimmedTime(image.createdAt || EPOCH),
    last_used_at: trimmedTime(image.lastUsedAt || "0001-01-01T00:00:00Z"),
    uploaded_at: trimmedTime(image.uploadedAt || EPOCH),
    ...(image.source !== undefined && {
      update_source: {
        alias: image.source.alias,
        certificate: image.source.certificate,
        protocol: PROTOCOLS[image.source.protocol] ?? "lxd",
        server: image.source.server,
        image_type: "container",
      },
    }),
  };
}

const etagOf = (image: ImageRow) => [
  image.isPublic,
  image.autoUpdate,
  image.properties,
  image.expiresAt,
  image.profiles,
];

async function find(
  { db }: Services,
  project: string,
  prefix: string,
): Promise<ImageRow & { project: string }> {
  return await db.read(async (tx) => {
    const owner = await effectiveProject(tx, project, "images");
    return { ...await getImage(tx, owner.id, prefix), project: owner.name };
  });
}

async function update(services: Services, call: Call<typeof putImage>, isPatch: boolean) {
  const { body, params, query, caller } = call;
  const image = await find(services, query.project, params.fingerprint);
  call.ifMatch(etagOf(image));
  const expiresAt = parseExpiry(body.expires_at) ?? image.expiresAt;
  await services.db.write(async (tx) => {
    await tx.run(
      "UPDATE images SET public = ?, auto_update = ?, expiry_date = ? WHERE id = ?",
      Number(body.public ?? (isPatch ? image.isPublic : false)),
      Number(body.auto_update ?? (isPatch ? image.autoUpdate : false)),
      expiresAt || null,
      image.id,
    );
    const properties = isPatch
      ? { ...image.properties, ...body.properties }
      : body.properties ?? {};
    await writeProperties(tx, image.id, properties);
    if (body.profiles !== undefined) {
      const owner = await effectiveProject(tx, query.project, "profiles");
      await writeImageProfiles(tx, image.id, owner.id, body.profiles);
    }
  });
  const source = `/1.0/images/${image.fingerprint}${projectSuffix(query.project)}`;
  services.events.lifecycle({ action: "image-updated", source, project: query.project, caller });
  return sync();
}

export interface ImageRouteDeps {
  readonly images: ImageService;
  readonly operations: OperationRegistry;
  readonly upkeep: Upkeep;
}

/** Strangers see public images, and others with a secret. */
export function imageRoutes({ images, operations, upkeep }: ImageRouteDeps): BoundRoute[] {
  const maySee = (image: ImageRow, call: Call<typeof getImageRow>) =>
    call.caller.trusted || image.isPublic ||
    findImageSecret(operations, image.fingerprint, call.query.secret) !== undefined;
  return [
    handle(getImages, async ({ db }, call) => {
      const rows = await db.read(async (tx) => {
        const owner = await effectiveProject(tx, call.query.project, "images");
        return await listImages(tx, owner.id);
      });
      const shown = rows.filter((one) => call.caller.trusted || one.isPublic).map(renderImage);
      const suffix = projectSuffix(call.query.project);
      return list(call, shown, ({ fingerprint }) => `/1.0/images/${fingerprint}${suffix}`);
    }),
    handle(postImages, (services, call) => addImage(services, { images, operations }, call)),
    handle(getImageRow, async (services, call) => {
      const image = await find(services, call.query.project, call.params.fingerprint);
      if (!maySee(image, call)) throw new Fault("not_found", "Image not found");
      return sync(renderImage(image), { etag: etagOf(image) });
    }),
    handle(putImage, (services, call) => update(services, call, false)),
    handle(patchImage, (services, call) => update(services, call, true)),
    handle(deleteImage, async (services, { params, query, caller }) => {
      const image = await find(services, query.project, params.fingerprint);
      return background(services.operations.start({
        description: "Deleting image",
        project: query.project,
        resources: { images: [image.fingerprint] },
        caller,
        run: () =>
          removeImage(services, images, {
            project: query.project,
            fingerprint: image.fingerprint,
            caller,
          }),
      }));
    }),
    handle(exportImage, async (services, call) => {
      const image = await find(services, call.query.project, call.params.fingerprint);
      if (!maySee(image, call)) throw new Fault("not_found", "Image not found");
      const secret = findImageSecret(operations, image.fingerprint, call.query.secret);
      if (secret !== undefined) operations.cancel(secret.id);
      const files = images.files(image.fingerprint);
      return { kind: "raw", send: (response) => sendImage(files, response) };
    }),
    handle(pushImage, async (services, call) => {
      const { body, query, caller } = call;
      const image = await find(services, query.project, call.params.fingerprint);
      return background(services.operations.start({
        description: "Exporting image",
        project: query.project,
        resources: { images: [image.fingerprint] },
        caller,
        cancellable: true,
        run: ({ signal }) => images.push(image, { body, signal }),
      }));
    }),
    handle(refreshImage, async (services, { params, query, caller }) => {
      const image = await find(services, query.project, params.fingerprint);
      return background(services.operations.start({
        description: "Refreshing image",
        project: query.project,
        resources: { images: [image.fingerprint] },
        caller,
        cancellable: true,
        run: async ({ signal, progress }) => ({
          refreshed: await upkeep.refresh(image, {
            signal,
            progress: (text) => progress({ download_progress: text }),
          }),
        }),
      }));
    }),
    handle(postImageSecret, async (services, { params, query, caller }) => {
      const image = await find(services, query.project, params.fingerprint);
      const { project } = query;
      return background(createImageSecret(operations, image.fingerprint, { project, caller }));
    }),
  ];
}
