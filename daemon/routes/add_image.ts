/** POST /1.0/images: by the body, where the new image comes from. */
import type { ImageSource, postImages } from "#api/routes/images.ts";
import { Fault } from "#base/errors.ts";
import { isJson } from "#daemon/http/body.ts";
import { background, type Call, type Reply } from "#daemon/http/handle.ts";
import type { Operation } from "#daemon/operations/operation.ts";
import type { OperationRegistry } from "#daemon/operations/registry.ts";
import type { Services } from "#daemon/services.ts";
import type { ImageService } from "#daemon/images/create.ts";
import {
  buildAndAdd,
  created,
  importUpload,
  optionsOf,
  publishInstance,
} from "#daemon/images/import.ts";
import { parseSource, type RemoteSource } from "#daemon/images/remote/source.ts";
import { createImageSecret } from "#daemon/images/secrets.ts";

export interface AddDeps {
  readonly images: ImageService;
  readonly operations: OperationRegistry;
}

type PostCall = Call<typeof postImages>;

/** @throws {Fault} not_authorized, bad_request; what fails later is told by the operation */
export async function addImage(
  services: Services,
  { images, operations }: AddDeps,
  call: PostCall,
): Promise<Reply> {
  if (!isJson(call.request)) {
    return background(await importUpload(services, { images, operations }, call));
  }
  if (!call.caller.trusted) throw new Fault("not_authorized", "not authorized");
  const source: ImageSource = call.body.source ?? {};
  if (source.mode === "push") return background(expect(operations, source, call));
  switch (source.type ?? "") {
    case "build":
      return background(buildAndAdd(services, images, call));
    case "instance":
    case "container":
    case "snapshot":
      return background(await publishInstance(services, images, call));
    case "image":
    case "url":
      return background(fetchAndAdd(services, images, { call, source: parseSource(source) }));
    default:
      throw new Fault("bad_request", `Invalid image source type "${source.type}"`);
  }
}

/** Another server will bring it, with the secret of this operation. */
function expect(operations: OperationRegistry, source: ImageSource, call: PostCall): Operation {
  const { aliases = [], expires_at, properties = {}, filename, profiles } = call.body;
  const fingerprint = source.fingerprint ?? "";
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new Fault("bad_request", "the fingerprint of an image that is pushed must be given");
  }
  return createImageSecret(operations, fingerprint, {
    project: call.query.project,
    caller: call.caller,
    more: {
      aliases,
      expires_at,
      properties,
      filename,
      profiles,
      public: call.body.public ?? false,
      auto_update: call.body.auto_update ?? false,
    },
  });
}

function fetchAndAdd(
  services: Services,
  images: ImageService,
  { call, source }: { call: PostCall; source: RemoteSource },
): Operation {
  const { query, body, caller } = call;
  if (body.auto_update === true && source.alias === "") {
    throw new Fault("bad_request", "an image can only be kept up to date if it has an alias", {
      hint: "Name the image by an alias of its server, and let it be public there.",
    });
  }
  return services.operations.start({
    description: "Downloading image",
    project: query.project,
    caller,
    cancellable: true,
    run: async ({ signal, progress }) => {
      const { isPublic, autoUpdate, properties, profiles, aliases } = optionsOf(call, "");
      const { fingerprint, size, isNew } = await images.ensure(source, {
        project: query.project,
        purpose: "kept",
        isPublic,
        autoUpdate: autoUpdate ?? false,
        properties,
        profiles,
        aliases,
        signal,
        progress: (text) => progress({ download_progress: text }),
      });
      if (isNew) created(services, call, fingerprint);
      return { fingerprint, size: String(size) };
    },
  });
}
