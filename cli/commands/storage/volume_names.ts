/** How volumes are named on the command line and in URLs. Pure. */
import type { Client } from "#api/client.ts";
import { type Context, path } from "#cli/context.ts";

export interface VolumeLabel {
  readonly type: string;
  readonly name: string;
  readonly snapshot: string | undefined;
}

const TYPES = ["custom", "image", "container", "virtual-machine"];

/** "data", "data/snap0", "container/web", "container/web/snap0". */
export function parseVolume(text: string): VolumeLabel {
  const parts = text.split("/");
  const hasType = parts.length > 1 && TYPES.includes(parts[0] ?? "");
  const [name = "", snapshot] = hasType ? parts.slice(1) : parts;
  return { type: hasType ? parts[0] ?? "" : "custom", name, snapshot };
}

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

/** `[<remote>:]<pool>/<volume>[/<snapshot>]`. @throws without a pool and a volume. */
export function splitPoolVolume(text: string): { pool: string; volume: string } {
  const slash = text.indexOf("/");
  if (slash <= 0) throw new Error("No storage pool for source volume specified");
  return { pool: text.slice(0, slash), volume: text.slice(slash + 1) };
}
