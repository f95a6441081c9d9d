/**
 * Changes of custom volumes that touch both their rows and their pool, noted until they are whole. A volume
 * without a row that nobody noted is left alone: `lxd recover` may want it.
 */
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { fieldsOf, type Note, Notes, textOf } from "#daemon/host/notes.ts";
import type { Paths } from "#daemon/paths.ts";
import type { VolumeContent } from "#daemon/storage/volume.ts";

export type Unfinished =
  & { readonly volume: VolumeName & { readonly contentType: VolumeContent } }
  & (
    /** Its row comes last: without one it goes. */
    | { readonly what: "make" }
    /** Its row goes last: with one it goes too. */
    | { readonly what: "remove" }
    /** The row has the old name until the end: it gets that back. */
    | { readonly what: "rename"; readonly to: string }
    /** Half-made or half-removed. */
    | { readonly what: "drop snapshot"; readonly snapshot: string }
    /** The row has the new name from the beginning. */
    | { readonly what: "rename snapshot"; readonly from: string; readonly to: string }
  );

const notesOf = ({ paths }: { readonly paths: Paths }) => new Notes(paths.at("unfinished"));

/** Dispose it when the change is whole, or undone. */
export async function noteUnfinished(
  ctx: { readonly paths: Paths },
  { volume: { pool, project, name, contentType }, ...change }: Unfinished,
): Promise<AsyncDisposable> {
  return await notesOf(ctx).write({ ...change, volume: { pool, project, name, contentType } });
}

/** Changes that were cut off; forget each when it is repaired. */
export async function unfinishedChanges(
  ctx: { readonly paths: Paths },
): Promise<{ read(): Promise<Unfinished>; forget(): Promise<void> }[]> {
  const all = await notesOf(ctx).all();
  return all.map((note) => ({ read: () => readChange(note), forget: () => note.forget() }));
}

async function readChange({ path, read }: Note): Promise<Unfinished> {
  const note = await read();
  const volume = fieldsOf(note["volume"]);
  const common = {
    volume: {
      pool: textOf(volume, "pool"),
      project: textOf(volume, "project"),
      name: textOf(volume, "name"),
      contentType: volume["contentType"] === "block" ? "block" as const : "filesystem" as const,
    },
  };
  const [what, to] = [textOf(note, "what"), textOf(note, "to")];
  switch (what) {
    case "make":
    case "remove":
      return { ...common, what };
    case "rename":
      return { ...common, what, to };
    case "drop snapshot":
      return { ...common, what, snapshot: textOf(note, "snapshot") };
    case "rename snapshot":
      return { ...common, what, from: textOf(note, "from"), to };
    default:
      throw new Error(`"${path}" notes no change that is known: "${what}"`);
  }
}
