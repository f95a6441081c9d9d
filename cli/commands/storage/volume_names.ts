/** How volumes are named on the command line and in URLs. Pure. */
import type { Client } from "#api/client.ts";
import { type Context, path } from "#cli/context.ts";

export interface VolumeLabel {
  readonly type: string;
  readonly name: string;
  readonly snapshot: string | undefined;
}

const TYPES = ["custom", "image", "container", "virtual-machine"];

/** "data", "data/snap0", "container/web", "container/web/snap0". @throws with more parts */
export function parseVolume(text: string): VolumeLabel {
  const parts = text.split("/");
  const hasType = parts.length > 1 && TYPES.includes(parts[0] ?? "");
  const [name = "", snapshot, ...rest] = hasType ? parts.slice(1) : parts;
  if (rest.length > 0) {
    throw new Error(`Invalid volume "${text}": want [<type>/]<volume>[/<snapshot>]`);
  }
  return { type: hasType ? parts[0] ?? "" : "custom", name, snapshot };
}

/** Where only a volume will do. @throws for a snapshot of one: `why` */
export function parseWhole(
  text: string,
  why = `"${text}" is a snapshot: name the volume alone`,
): VolumeLabel {
  const label = parseVolume(text);
  if (label.snapshot !== undefined) throw new Error(why);
  return label;
}

/** Of a volume that is to be made. */
export const NO_SLASHES = "Storage volume names may not contain slashes";

/** Without a project: the client adds its own. */
export function volumeUrl(pool: string, { type, name, snapshot }: VolumeLabel): string {
  const url = path("storage-pools", pool, "volumes", type, name);
  return snapshot === undefined ? url : `${url}/snapshots/${encodeURIComponent(snapshot)}`;
}

export interface VolumePlace {
  readonly client: Client;
  readonly pool: string;
  readonly volume: VolumeLabel;
  readonly url: string;
}

/** `[<remote>:]<pool>` and `<volume>`. @throws without a pool. */
export function placeOf(
  context: Context,
  [pool = "", volume = ""]: readonly string[],
  target = "",
): VolumePlace {
  const { client, name } = context.resource(pool);
  if (name === "") throw new Error("Missing pool name");
  const label = parseVolume(volume);
  return {
    client: client.onTarget(target),
    pool: name,
    volume: label,
    url: volumeUrl(name, label),
  };
}

/** As `placeOf`, but not of a snapshot. */
export function wholePlaceOf(
  context: Context,
  names: readonly string[],
  target = "",
): VolumePlace {
  parseWhole(names[1] ?? "");
  return placeOf(context, names, target);
}

/** `[<remote>:]<pool>/<volume>[/<snapshot>]`. @throws without a pool and a volume. */
export function splitPoolVolume(text: string): { pool: string; volume: string } {
  const slash = text.indexOf("/");
  if (slash <= 0) throw new Error("No storage pool for source volume specified");
  return { pool: text.slice(0, slash), volume: text.slice(slash + 1) };
}
