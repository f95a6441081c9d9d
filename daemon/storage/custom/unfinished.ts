/**
 * Changes of custom volumes that touch both their rows and their pool: each is noted in a file before its
 * first step and forgotten after its last, so that the next start of the daemon finishes or undoes what
 * a crash cut off. A volume without a row that nobody noted is left alone: `lxd recover` may want it.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { entries } from "#daemon/host/files.ts";
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

const folderOf = ({ paths }: { readonly paths: Paths }) => paths.at("unfinished");

/** Dispose it when the change is whole, or undone. */
export async function noteUnfinished(
  ctx: { readonly paths: Paths },
  { volume: { pool, project, name, contentType }, ...change }: Unfinished,
): Promise<AsyncDisposable> {
  const folder = folderOf(ctx);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const path = hostPath(`${folder}/${crypto.randomUUID()}`);
  const note = { ...change, volume: { pool, project, name, contentType } };
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(note), { mode: 0o600 });
  await Deno.rename(`${path}.new`, path);
  return { [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** Changes that were cut off; forget each when it is repaired. One that was never begun is dropped. */
export async function unfinishedChanges(
  ctx: { readonly paths: Paths },
): Promise<{ read(): Promise<Unfinished>; forget(): Promise<void> }[]> {
  const folder = folderOf(ctx);
  const found = [];
  for (const name of await entries(folder)) {
    const path = hostPath(`${folder}/${name}`);
    const forget = () => Deno.remove(path);
    if (name.endsWith(".new")) await forget();
    else found.push({ read: () => readNote(path), forget });
  }
  return found;
}

async function readNote(path: HostPath): Promise<Unfinished> {
  const value: unknown = JSON.parse(await Deno.readTextFile(path));
  const note = fieldsOf(value);
  const volume = fieldsOf(note["volume"]);
  const text = (fields: Readonly<Record<string, unknown>>, name: string) => `${fields[name] ?? ""}`;
  const common = {
    volume: {
      pool: text(volume, "pool"),
      project: text(volume, "project"),
      name: text(volume, "name"),
      contentType: volume["contentType"] === "block" ? "block" as const : "filesystem" as const,
    },
  };
  const [what, to] = [text(note, "what"), text(note, "to")];
  switch (what) {
    case "make":
    case "remove":
      return { ...common, what };
    case "rename":
      return { ...common, what, to };
    case "drop snapshot":
      return { ...common, what, snapshot: text(note, "snapshot") };
    case "rename snapshot":
      return { ...common, what, from: text(note, "from"), to };
    default:
      throw new Error(`"${path}" notes no change that is known: "${what}"`);
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
