/** Images of other servers, fetched when they are wanted: one download, however many want it. */
import { Fault, isFaultOf } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { isTrue } from "#base/units.ts";
import type { Database } from "#daemon/db/db.ts";
import { findSourceImage, type ImageSourceRow, listImages, touchImage } from "#daemon/db/images.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import type { ImageService, ImageSetting } from "#daemon/images/create.ts";
import { createProgress } from "./progress.ts";
import { PROTOCOLS, type RemoteImage, type RemoteServer, type RemoteSource } from "./source.ts";

export interface EnsureOptions {
  readonly project: string;
  /** "cached": it was fetched for an instance, and goes again when it isn't used. */
  readonly purpose: "cached" | "kept";
  /** Of a kept image. */
  readonly isPublic?: boolean;
  readonly autoUpdate?: boolean;
  readonly properties?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[] | undefined;
  readonly aliases?: readonly { name: string; description?: string }[];
  readonly signal: AbortSignal;
  /** "rootfs: 12% (3.4MB/s)" */
  readonly progress?: (text: string) => void;
  /** Ask the server itself, past everything that is kept. */
  readonly isFresh?: boolean;
}

export interface Ensured {
  readonly fingerprint: string;
  readonly size: number;
  /** It was not in the project before. */
  readonly isNew: boolean;
}

export interface EnsureDeps {
  readonly db: Database;
  readonly images: Pick<ImageService, "add" | "workspace" | "files">;
  readonly servers: Readonly<Record<RemoteSource["protocol"], RemoteServer>>;
  readonly setting: ImageSetting;
  readonly hostArchitecture: string;
}

export type Ensure = (source: RemoteSource, options: EnsureOptions) => Promise<Ensured>;

/** One that was fetched before is used if its server is down. */
export function createEnsure(deps: EnsureDeps): Ensure {
  const locks = new LockTable();
  const progress = createProgress();
  return async (source, options) => {
    const kept = options.purpose === "cached" ? await keptImage(deps, source, options) : undefined;
    if (kept !== undefined && await isRefreshed(deps, options.project)) return kept;
    let image: RemoteImage;
    try {
      image = await deps.servers[source.protocol].find(source, {
        architecture: await deps.setting("images.default_architecture", options.project) ||
          deps.hostArchitecture,
        isFresh: options.isFresh ?? false,
        signal: options.signal,
      });
    } catch (error) {
      // A server that is down must not keep what was fetched before from being used.
      if (kept !== undefined && isFaultOf(error, "unavailable")) return kept;
      throw error;
    }
    using _listener = progress.listen(image.fingerprint, options.progress);
    using _held = await locks.acquire(image.fingerprint, options.signal);
    const known = await presentImage(deps, image.fingerprint, options);
    if (known !== undefined) return known;
    return await download(
      deps,
      { source, image, options },
      (part, bytes, total) => progress.note(image.fingerprint, { part, bytes, total }),
    );
  };
}

/** While images are refreshed by the clock, the one at hand is as good as the server's. */
async function isRefreshed({ setting }: EnsureDeps, project: string): Promise<boolean> {
  return Number(await setting("images.auto_update_interval", project)) > 0;
}

/** What was fetched before by the same name. */
async function keptImage(
  { db }: EnsureDeps,
  source: RemoteSource,
  { project }: EnsureOptions,
): Promise<Ensured | undefined> {
  if (source.alias === "" || source.fingerprint !== "") return undefined;
  return await db.write(async (tx) => {
    const { id } = await effectiveProject(tx, project, "images");
    const found = await findSourceImage(tx, id, sourceRow(source));
    if (found === undefined) return undefined;
    await touchImage(tx, id, found.fingerprint);
    return { ...found, isNew: false };
  });
}

/** It is in the project: what an explicit copy asks for is noted, and nothing is fetched. */
async function presentImage(
  { db }: EnsureDeps,
  fingerprint: string,
  options: EnsureOptions,
): Promise<Ensured | undefined> {
  return await db.write(async (tx) => {
    const { id } = await effectiveProject(tx, options.project, "images");
    const found = (await listImages(tx, id)).find((one) => one.fingerprint === fingerprint);
    if (found === undefined) return undefined;
    if (options.purpose === "cached") await touchImage(tx, id, fingerprint);
    else {
      await tx.run(
        "UPDATE images SET cached = 0, public = ?, auto_update = ? WHERE id = ?",
        Number(found.isPublic || (options.isPublic ?? false)),
        Number(found.autoUpdate || (options.autoUpdate ?? false)),
        found.id,
      );
    }
    return { fingerprint, size: found.size, isNew: false };
  });
}

interface Wanted {
  readonly source: RemoteSource;
  readonly image: RemoteImage;
  readonly options: EnsureOptions;
}

async function download(
  deps: EnsureDeps,
  { source, image, options }: Wanted,
  note: (part: string, bytes: number, total: number) => void,
): Promise<Ensured> {
  const { fingerprint } = image;
  await using workspace = await deps.images.workspace();
  const isCached = options.purpose === "cached";
  const other = await imageElsewhere(deps, fingerprint);
  const received = other === undefined
    ? await image.download(workspace.path, { signal: options.signal, progress: note })
    : { ...deps.images.files(fingerprint), size: other.size };
  options.signal.throwIfAborted();
  await deps.images.add(received, {
    project: options.project,
    filename: image.filename,
    isPublic: options.isPublic ?? false,
    autoUpdate: isCached
      ? isTrue(await deps.setting("images.auto_update_cached", options.project)) &&
        source.alias !== ""
      : options.autoUpdate ?? false,
    properties: { ...image.properties, ...options.properties },
    isCached,
    ...(source.alias !== "" && source.secret === "" && { source: sourceRow(source) }),
    ...(image.expiresAt !== undefined && { expiresAt: image.expiresAt }),
    profiles: options.profiles,
    aliases: options.aliases ?? [],
  });
  return { fingerprint, size: received.size, isNew: true };
}

/** Another project has it: its files serve here too. */
async function imageElsewhere(
  { db }: EnsureDeps,
  fingerprint: string,
): Promise<{ size: number } | undefined> {
  const row = await db.read((tx) =>
    tx.get("SELECT size FROM images WHERE fingerprint = ? LIMIT 1", fingerprint)
  );
  return row === undefined ? undefined : { size: Number(row["size"]) };
}

function sourceRow(source: RemoteSource): ImageSourceRow {
  const { server, certificate, alias } = source;
  return { server, certificate, alias, protocol: PROTOCOLS.indexOf(source.protocol) };
}

/** Where a stored image is refreshed from. */
export function sourceOfRow(row: ImageSourceRow): RemoteSource {
  const protocol = PROTOCOLS[row.protocol];
  if (protocol === undefined) throw new Fault("bad_request", "Unknown protocol of the source");
  const { server, certificate, alias } = row;
  return { protocol, server, certificate, alias, fingerprint: "", secret: "", project: "" };
}
