/**
 * Backups in the format of the storage driver, laid out as LXD's: a file for each stream, named after
 * the volume or snapshot and the path of the subvolume in it, and a header that lists them.
 */
import { formatYaml, parseYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { Paths } from "#daemon/paths.ts";
import type { StreamPart } from "#daemon/storage/driver.ts";
import type { Located } from "#daemon/storage/transfer.ts";
import { extractFile, type Part, readMember } from "./tarball.ts";

/** Where the streams are in the archive, without ".bin". */
export interface StreamNames {
  readonly volume: string;
  /** Folder of those of snapshots. */
  readonly snapshots: string;
}

export const INSTANCE_STREAMS: StreamNames = { volume: "container", snapshots: "snapshots" };
export const VOLUME_STREAMS: StreamNames = { volume: "volume", snapshots: "volume-snapshots" };

const HEADER = "optimized_header.yaml";

interface Subvolume {
  /** "" is the volume itself. */
  readonly path: string;
  /** "": of the volume, not of a snapshot. */
  readonly snapshot: string;
  readonly isReadOnly: boolean;
}

/** Of which formats streams may be of parts, so that a header must list them. */
export function hasHeader(format: string): boolean {
  return format === "btrfs";
}

/** The stream of a subvolume: its path is part of the name, "-" doubled and "/" as "-". Pure. */
export function streamFile(names: StreamNames, { path, snapshot }: Subvolume): string {
  const base = snapshot === "" ? names.volume : `${names.snapshots}/${snapshot}`;
  const tail = path === "" ? "" : `_${path.replaceAll("-", "--").replaceAll("/", "-")}`;
  return `backup/${base}${tail}.bin`;
}

export interface PackStreams {
  readonly place: Located;
  readonly names: StreamNames;
  /** Oldest first. */
  readonly snapshots: readonly string[];
  readonly paths: Paths;
  readonly signal: AbortSignal;
}

/** The parts of an archive, each there until the next is asked for. */
export async function* streamParts(options: PackStreams): AsyncGenerator<Part> {
  const { place: { driver, volume }, names, snapshots, paths, signal } = options;
  if (driver.streams === undefined) throw new Error("bug: the driver has no format of its own");
  const folder = paths.at("backups", `import-${crypto.randomUUID()}`);
  await Deno.mkdir(folder, { mode: 0o700 });
  try {
    await using sender = await driver.streams.sender();
    const subvolumes: Subvolume[] = [];
    for (const snapshot of [...snapshots, ""]) {
      const state = snapshot === "" ? undefined : snapshot;
      for await (const { path, isReadOnly, stream } of sender.send(volume, state, signal)) {
        const source = hostPath(`${folder}/stream`);
        await Deno.writeFile(source, stream, { mode: 0o600, signal });
        const subvolume = { path, snapshot, isReadOnly };
        subvolumes.push(subvolume);
        yield { source, name: streamFile(names, subvolume) };
        await Deno.remove(source);
      }
    }
    if (!hasHeader(driver.streams.format)) return;
    const source = hostPath(`${folder}/header`);
    await Deno.writeTextFile(source, headerOf(subvolumes), { mode: 0o600 });
    yield { source, name: `backup/${HEADER}` };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function headerOf(subvolumes: readonly Subvolume[]): string {
  return formatYaml({
    subvolumes: subvolumes.map(({ path, snapshot, isReadOnly }) => ({
      path: `/${path}`,
      snapshot,
      // A snapshot is read-only as a whole.
      readonly: isReadOnly || (path === "" && snapshot !== ""),
      uuid: "",
    })),
  });
}

export interface StreamArchive {
  readonly file: HostPath;
  readonly helper: HostPath;
  readonly paths: Paths;
  readonly names: StreamNames;
  readonly signal: AbortSignal;
}

/**
 * What the archive has for each state of the volume. Each stream is unpacked when it is its turn.
 *
 * @param snapshots Names of the snapshots in it.
 * @throws {Fault} bad_request
 */
export async function openStreams(
  archive: StreamArchive,
  snapshots: readonly string[],
): Promise<(snapshot: string | undefined) => AsyncGenerator<StreamPart>> {
  const text = await readMember(archive.file, `backup/${HEADER}`);
  const plain = [...snapshots, ""].map((snapshot) => ({ path: "", snapshot, isReadOnly: false }));
  const all = text === undefined ? plain : parseHeader(text);
  return (snapshot) => partsOf(archive, all.filter((one) => one.snapshot === (snapshot ?? "")));
}

async function* partsOf(
  { file, helper, paths, names, signal }: StreamArchive,
  subvolumes: readonly Subvolume[],
): AsyncGenerator<StreamPart> {
  if (subvolumes[0]?.path !== "") throw broken("it has no stream of the volume");
  const folder = paths.at("backups", `import-${crypto.randomUUID()}`);
  await Deno.mkdir(folder, { mode: 0o700 });
  try {
    for (const subvolume of subvolumes) {
      const target = hostPath(`${folder}/stream`);
      const member = streamFile(names, subvolume).replace(/\.bin$/, "");
      await extractFile(file, target, { helper, member: `${member}.bin`, signal });
      const { path, isReadOnly } = subvolume;
      const opened = await Deno.open(target);
      yield { path, isReadOnly: path !== "" && isReadOnly, stream: opened.readable };
      await Deno.remove(target);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** @throws {Fault} bad_request for anything but a list of paths within the volume, parents first. */
export function parseHeader(text: string): Subvolume[] {
  const root = parseYaml(text) as { subvolumes?: unknown } | null;
  const list = root?.subvolumes;
  if (!Array.isArray(list)) throw broken(`${HEADER} has no list of subvolumes`);
  return list.map((one: Record<string, unknown>) => {
    const [path, snapshot] = [String(one?.["path"] ?? ""), String(one?.["snapshot"] ?? "")];
    const parts = path.slice(1).split("/");
    const isInside = path.startsWith("/") && !path.includes("\0") &&
      (path === "/" || parts.every((part) => part !== "" && part !== "." && part !== ".."));
    if (!isInside) throw broken(`"${path}" is no path in a volume`);
    if (snapshot.includes("/")) throw broken(`"${snapshot}" is not a name`);
    return { path: path.slice(1), snapshot, isReadOnly: String(one["readonly"]) === "true" };
  });
}

function broken(why: string): Fault {
  return new Fault("bad_request", `invalid backup: ${why}`);
}

/** @throws {Fault} bad_request if an archive of one driver's format is for a pool of another. */
export function requireFormat({ driver }: Located, backend: string): void {
  if (driver.streams?.format === backend) return;
  throw new Fault(
    "bad_request",
    `Optimized backup storage driver "${backend}" differs from the target storage pool driver`,
    { hint: "Import it into a pool of that driver, or export it without --optimized-storage." },
  );
}
