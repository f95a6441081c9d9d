/** Ways by which images come to be: upload, build on this host, publishing of an instance. */
import { parseExpiry } from "#base/time.ts";
import type { ImagesPost, postImages } from "#api/routes/images.ts";
import { hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { Call } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import type { Operation } from "#daemon/operations/operation.ts";
import type { OperationRegistry } from "#daemon/operations/registry.ts";
import type { Services } from "#daemon/services.ts";
import { buildImage } from "./build.ts";
import type { ImageService, ImportOptions } from "./create.ts";
import { compressorOf } from "./compressor.ts";
import { packInstance } from "./publish.ts";
import { parseRecipe } from "./recipe.ts";
import { progressText } from "./remote/progress.ts";
import { useImageSecret } from "./secrets.ts";
import { requireUploadSpace } from "#daemon/storage/space.ts";
import { hashFiles, receiveImage } from "./store.ts";

type PostCall = Call<typeof postImages>;

/** Event image-created. */
export function created(services: Services, call: PostCall, fingerprint: string): void {
  const { project } = call.query;
  const source = `/1.0/images/${fingerprint}${projectSuffix(project)}`;
  services.events.lifecycle({ action: "image-created", source, project, caller: call.caller });
}

/**
 * The body is the image; the headers X-LXD-* say the rest. With a secret anybody may bring the
 * image that it was made for: then what was said as it was made counts.
 */
export async function importUpload(
  services: Services,
  { images, operations }: { images: ImageService; operations: OperationRegistry },
  call: PostCall,
): Promise<Operation> {
  const { headers } = call.request;
  const header = (name: string) => {
    const value = headers[`x-lxd-${name}`];
    return value === undefined ? undefined : String(value);
  };
  const [wanted = "", secret] = [header("fingerprint"), header("secret")];
  const expected = secret !== undefined || !call.caller.trusted
    ? useImageSecret(operations, wanted, secret).start.metadata
    : undefined;
  const workspace = await images.workspace();
  try {
    await requireUploadSpace(workspace.path, call.request, "receive the image");
    const received = await receiveImage({
      contentType: String(headers["content-type"] ?? ""),
      filename: header("filename") ?? "",
      body: call.request,
    }, workspace.path);
    if (wanted !== "" && wanted !== received.fingerprint) {
      throw new Fault(
        "bad_request",
        `Invalid image fingerprint: got ${received.fingerprint}, expected ${wanted}`,
      );
    }
    const options: ImportOptions = {
      ...(expected === undefined ? optionsOfHeaders(header) : optionsOfSecret(expected)),
      project: call.query.project,
      filename: header("filename") ?? received.filename,
    };
    return services.operations.start({
      description: "Downloading image",
      project: call.query.project,
      ...(secret !== undefined && { metadata: { secret } }),
      caller: call.caller,
      run: async () => {
        await using _files = workspace;
        const fingerprint = await images.add(received, options);
        created(services, call, fingerprint);
        return { fingerprint, size: String(received.size) };
      },
    });
  } catch (error) {
    await workspace[Symbol.asyncDispose]();
    throw error;
  }
}

type Described = Omit<ImportOptions, "project" | "filename">;

function optionsOfHeaders(header: (name: string) => string | undefined): Described {
  const profiles = header("profiles");
  return {
    isPublic: header("public") === "1" || header("public") === "true",
    properties: Object.fromEntries(new URLSearchParams(header("properties") ?? "")),
    profiles: profiles === undefined ? undefined : new URLSearchParams(profiles).getAll("profile"),
    aliases: [],
  };
}

/** @param said What createImageSecret() was told. */
function optionsOfSecret(said: Readonly<Record<string, unknown>>): Described {
  const { properties, profiles, aliases, expires_at: expires } = said as Partial<ImagesPost>;
  const expiresAt = expiryOf(expires);
  return {
    isPublic: said["public"] === true,
    autoUpdate: said["auto_update"] === true,
    properties: properties ?? {},
    profiles,
    ...(expiresAt !== undefined && { expiresAt }),
    aliases: aliasesOf(aliases),
  };
}

/** Started, cancellable. @throws {Fault} bad_request if the recipe is unknown. */
export function buildAndAdd(
  services: Services,
  images: ImageService,
  call: PostCall,
): Operation {
  const { body, caller, query } = call;
  const recipe = body.source?.alias ?? "";
  const mirror = body.source?.server || undefined;
  const keyring = body.source?.keyring || undefined;
  const packages = body.source?.packages;
  const wish = { recipe, mirror, keyring, packages };
  parseRecipe(wish);
  return services.operations.start({
    description: "Building image",
    project: query.project,
    caller,
    cancellable: true,
    run: async ({ signal, progress }) => {
      await using workspace = await images.workspace();
      const built = await buildImage({
        ...wish,
        directory: workspace.path,
        signal,
        progress: (text) => progress({ build_progress: text }),
      });
      const { hash, size } = await hashFiles([built.meta, built.rootfs]);
      const fingerprint = await images.add(
        { fingerprint: hash, meta: built.meta, rootfs: built.rootfs, size },
        optionsOf(call, `${recipe.replace("/", "-")}.tar.xz`),
      );
      created(services, call, fingerprint);
      return { fingerprint, size: String(size), build_progress: "" };
    },
  });
}

/** @param filename If the request names none. @throws {Fault} bad_request for a bad expires_at */
export function optionsOf(call: PostCall, filename: string): ImportOptions {
  const { body, query } = call;
  const expiresAt = expiryOf(body.expires_at);
  return {
    project: query.project,
    filename: body.filename ?? filename,
    isPublic: body.public ?? false,
    autoUpdate: body.auto_update ?? false,
    properties: body.properties ?? {},
    profiles: body.profiles,
    ...(expiresAt !== undefined && { expiresAt }),
    aliases: aliasesOf(body.aliases),
  };
}

/** undefined: never, or as the image itself says. @throws {Fault} bad_request */
function expiryOf(text: string | undefined): Date | undefined {
  const date = new Date(parseExpiry(text) || 0);
  return date.getTime() <= 0 ? undefined : date;
}

function aliasesOf(aliases: ImagesPost["aliases"]): ImportOptions["aliases"] {
  return (aliases ?? []).map(({ name, description }) => ({
    name,
    ...(description !== undefined && { description }),
  }));
}

/** A few times a second, as LXD words it. */
function packProgress(
  progress: (metadata: Readonly<Record<string, unknown>>) => void,
): (bytes: number) => void {
  let shownAt = 0;
  const startedAt = performance.now();
  return (bytes) => {
    const now = performance.now();
    if (now - shownAt < PROGRESS_MS) return;
    shownAt = now;
    const text = progressText({ part: "Image pack", bytes, total: 0 }, now - startedAt);
    progress({ create_image_from_container_pack_progress: text });
  };
}

const PROGRESS_MS = 500;

/** An image of a stopped instance or of a snapshot. */
export async function publishInstance(
  services: Services,
  images: ImageService,
  call: PostCall,
): Promise<Operation> {
  const { body, caller, query } = call;
  const [name = "", snapshot] = (body.source?.name ?? "").split("/");
  const source = await services.instances.sourceOf(query.project, name, snapshot);
  if (source.isRunning) {
    throw new Fault("bad_request", "The instance is running", {
      hint: "Stop it first, or publish one of its snapshots.",
    });
  }
  const compression = body.compression_algorithm ||
    await images.setting("images.compression_algorithm", query.project);
  compressorOf(compression);
  return services.operations.start({
    description: "Publishing instance",
    project: query.project,
    resources: { instances: [name] },
    caller,
    cancellable: true,
    run: async ({ signal, progress }) => {
      await using workspace = await images.workspace();
      await using root = await services.storage.instances.openPlain(source.volume, {
        snapshot,
        diskMap: source.diskMap,
      });
      const { file, fingerprint: hash, size } = await packInstance({
        root: root.path,
        directory: services.storage.instances.directory(source.volume, snapshot),
        target: hostPath(`${workspace.path}/image`),
        architecture: source.architecture,
        properties: body.properties ?? {},
        compression,
        signal,
        progress: packProgress(progress),
      });
      const fingerprint = await images.add(
        { fingerprint: hash, meta: file, rootfs: undefined, size },
        optionsOf(call, ""),
      );
      created(services, call, fingerprint);
      return { fingerprint, size: String(size) };
    },
  });
}
