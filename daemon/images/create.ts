/** The image service: what other parts need, and what the image routes build on. */
import { checkImageAllowed } from "#daemon/projects/check.ts";
import { parseMirrors } from "#api/config/mirrors.ts";
import { ARCHITECTURES, findArchitecture, hostArchitecture } from "#base/architectures.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import type { Database } from "#daemon/db/db.ts";
import {
  findAlias,
  getImage,
  type ImageRow,
  type ImageSourceRow,
  insertAlias,
  insertImage,
  listImages,
  touchImage,
} from "#daemon/db/images.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import { type Push, pushImageTo } from "./push.ts";
import { directServer } from "./remote/direct.ts";
import { createEnsure, type Ensure } from "./remote/ensure.ts";
import { createRemoteHttp } from "./remote/http.ts";
import { lxdServer } from "./remote/lxd.ts";
import { parseSource } from "./remote/source.ts";
import { streamServer } from "./remote/streams.ts";
import type { ImageFiles, ImageRef, Images } from "./service.ts";
import { readImageMetadata } from "./store.ts";
import { unpackImage } from "./unpack.ts";
import { unpackedBytes } from "./unpacked_size.ts";

/** The value of a key of the server's configuration, or of a project's where that has one. */
export type ImageSetting = (key: string, project?: string) => Promise<string>;

export interface ImageDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly helper: HostPath;
  readonly setting: ImageSetting;
}

export interface ImportOptions {
  readonly project: string;
  readonly filename: string;
  readonly isPublic: boolean;
  readonly autoUpdate?: boolean;
  /** Win over those of metadata.yaml. */
  readonly properties: Readonly<Record<string, string>>;
  /** Fetched for an instance: it goes again when it isn't used. */
  readonly isCached?: boolean;
  readonly source?: ImageSourceRow;
  readonly profiles: readonly string[] | undefined;
  readonly expiresAt?: Date;
  readonly aliases: readonly { name: string; description?: string }[];
}

export interface ImageService extends Images {
  readonly setting: ImageSetting;
  /** Have an image of another server. */
  readonly ensure: Ensure;
  /** Upload one to another server. @throws {Fault} unavailable */
  push(image: ImageRow, options: Omit<Push, "image">): Promise<void>;
  /** A fresh directory below images/ for files on their way in; removed when disposed. */
  workspace(): Promise<{ readonly path: HostPath } & AsyncDisposable>;
  /** Take finished files over as an image. @throws {Fault} conflict if it is there already. */
  add(
    files: { fingerprint: string; meta: HostPath; rootfs: HostPath | undefined; size: number },
    options: ImportOptions,
  ): Promise<string>;
  /** Remove from a project; the files go with the last project that has it. */
  remove(project: string, fingerprint: string): Promise<{ isLast: boolean }>;
  readonly helper: HostPath;
}

/** Files of an image lie in `images` of the state directory, named by fingerprint. */
export function createImages(deps: ImageDeps): ImageService {
  const { paths, db } = deps;
  const files = (fingerprint: string): ImageFiles => {
    const rootfs = paths.at("images", `${fingerprint}.rootfs`);
    return {
      fingerprint,
      meta: paths.at("images", fingerprint),
      rootfs: existsSync(rootfs) ? rootfs : undefined,
    };
  };
  const service: ImageService = {
    helper: deps.helper,
    setting: deps.setting,
    files,
    ensure: (source, options) => ensure(source, options),
    push: (image, options) => pushImageTo(http, files(image.fingerprint), { ...options, image }),
    async fetch(project, source, { signal, progress }) {
      const { fingerprint } = await ensure(parseSource(source), {
        project,
        purpose: "cached",
        profiles: undefined,
        signal,
        ...(progress !== undefined && { progress }),
      });
      return fingerprint;
    },
    async resolve(project, nameOrPrefix) {
      return await db.read(async (tx) => {
        const { id } = await effectiveProject(tx, project, "images");
        const alias = await findAlias(tx, id, nameOrPrefix);
        return toRef(await getImage(tx, id, alias?.target ?? nameOrPrefix));
      });
    },
    async findByProperties(project, properties) {
      const images = await db.read(async (tx) => {
        const { id } = await effectiveProject(tx, project, "images");
        return await listImages(tx, id);
      });
      const matching = images.filter((image) =>
        Object.entries(properties).every(([key, value]) => image.properties[key] === value)
      );
      const newest = matching.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
      if (newest === undefined) throw new Fault("not_found", "No matching image could be found");
      return toRef(newest);
    },
    async unpack(fingerprint, directory, options) {
      const progress = options.progress;
      await unpackImage(files(fingerprint), directory, {
        helper: deps.helper,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(progress === undefined
          ? {}
          : { progress: (bytes) => progress(`Unpack: ${Math.round(bytes / 1e6)}MB`) }),
      });
    },
    async unpackedBytes(fingerprint) {
      const { meta, rootfs } = files(fingerprint);
      return await unpackedBytes(rootfs ?? meta);
    },
    async touch(project, fingerprint) {
      await db.write(async (tx) => {
        const { id } = await effectiveProject(tx, project, "images");
        await touchImage(tx, id, fingerprint);
      });
    },
    close: () => Promise.resolve(),
    async workspace() {
      const path = paths.at("images", `lxd_build_${crypto.randomUUID()}`);
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      return {
        path,
        [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
      };
    },
    add: (received, options) => addImage(deps, files, received, options),
    async remove(project, fingerprint) {
      const isLast = await db.write(async (tx) => {
        const { id } = await effectiveProject(tx, project, "images");
        const { changes } = await tx.run(
          "DELETE FROM images WHERE project_id = ? AND fingerprint = ?",
          id,
          fingerprint,
        );
        if (changes === 0) throw new Fault("not_found", "Image not found");
        return await tx.get("SELECT 1 FROM images WHERE fingerprint = ?", fingerprint) ===
          undefined;
      });
      if (isLast) {
        const { meta, rootfs } = files(fingerprint);
        for (const path of [meta, rootfs]) if (path !== undefined) await Deno.remove(path);
      }
      return { isLast };
    },
  };
  const http = createRemoteHttp(deps);
  const ensure = createEnsure({
    db,
    images: service,
    setting: deps.setting,
    hostArchitecture: ARCHITECTURES[hostArchitecture()] ?? "unknown",
    servers: {
      lxd: lxdServer(http),
      direct: directServer(http),
      simplestreams: streamServer(http, {
        cache: hostPath(`${paths.cache}/simplestreams`),
        mirrors: async () => parseMirrors(await deps.setting("images.mirrors")),
      }),
    },
  });
  return service;
}

async function addImage(
  deps: ImageDeps,
  files: (fingerprint: string) => ImageFiles,
  received: { fingerprint: string; meta: HostPath; rootfs: HostPath | undefined; size: number },
  options: ImportOptions,
): Promise<string> {
  await using undo = new Undo();
  const { fingerprint } = received;
  const metadata = await readImageMetadata(received.meta);
  const architecture = findArchitecture(metadata.architecture);
  if (architecture === undefined) {
    throw new Fault(
      "bad_request",
      `invalid image: unknown architecture "${metadata.architecture}"`,
    );
  }
  const isKnown = existsSync(files(fingerprint).meta);
  if (!isKnown) {
    const meta = deps.paths.at("images", fingerprint);
    const rootfs = hostPath(`${meta}.rootfs`);
    undo.add("remove image files", async () => {
      await removeIfThere(meta);
      await removeIfThere(rootfs);
    });
    await Deno.rename(received.meta, meta);
    if (received.rootfs !== undefined) await Deno.rename(received.rootfs, rootfs);
  }
  await deps.db.write(async (tx) => {
    const project = await effectiveProject(tx, options.project, "images");
    await checkImageAllowed(tx, options.project, received.size);
    const taken = await tx.get(
      "SELECT 1 FROM images WHERE project_id = ? AND fingerprint = ?",
      project.id,
      fingerprint,
    );
    if (taken !== undefined) {
      throw new Fault("conflict", "Image with same fingerprint already exists");
    }
    const id = await insertImage(tx, {
      projectId: project.id,
      fingerprint,
      filename: options.filename,
      size: received.size,
      isPublic: options.isPublic,
      autoUpdate: options.autoUpdate ?? false,
      architecture,
      createdAt: new Date(metadata.creationDate * 1000),
      expiresAt: options.expiresAt ??
        (metadata.expiryDate > 0 ? new Date(metadata.expiryDate * 1000) : undefined),
      properties: { ...metadata.properties, ...options.properties },
      profiles: options.profiles ?? ["default"],
      ...(options.isCached !== undefined && { isCached: options.isCached }),
      ...(options.source !== undefined && { source: options.source }),
    });
    for (const alias of options.aliases) {
      await insertAlias(tx, project.id, {
        name: alias.name,
        description: alias.description ?? "",
        imageId: id,
      });
    }
  });
  undo.keep();
  return fingerprint;
}

function toRef(image: ImageRow): ImageRef {
  return {
    fingerprint: image.fingerprint,
    architecture: ARCHITECTURES[image.architecture] ?? "unknown",
    properties: image.properties,
    profiles: image.profiles,
    type: "container",
  };
}

function existsSync(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false; // Ignored: then it is not there.
  }
}
