/**
 * The file beside an instance's upper that says what its tree is made of, so that nothing depends on
 * the database. Written by rename; a step that needs several renames is noted in `pending` first and
 * finished by whoever reads the manifest next.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { exists } from "#daemon/host/files.ts";

export interface Manifest {
  /** `overlay`: layers under an upper. `plain`: rootfs is a directory of its own. */
  readonly kind: "overlay" | "plain";
  /** Topmost first, relative to the pool: "layers/<id>", "images/<fingerprint>". */
  readonly lowers: readonly string[];
  readonly pending?:
    /** The upper is to become this layer. */
    | { readonly step: "seal"; readonly layer: string }
    /** The upper is to be thrown away. */
    | { readonly step: "reset" }
    /** rootfs.new is to become rootfs. */
    | { readonly step: "swap" }
    /** rootfs has a file of its own now: the overlay is to be thrown away. */
    | { readonly step: "drop" };
}

const NAME = "layers.json";

function manifestPath(directory: HostPath): HostPath {
  return hostPath(`${directory}/${NAME}`);
}

/** @throws {Fault} not_found if there is no volume, internal if the file is damaged. */
export async function readManifest(directory: HostPath): Promise<Manifest> {
  const found = await findManifest(directory);
  if (found !== undefined) return found;
  throw new Fault("not_found", `there is no volume at "${directory}"`);
}

/**
 * A tree without a manifest is plain: LXD made it, or this program where it copies. undefined: no tree.
 *
 * @throws {Fault} internal if the file is damaged.
 */
export async function findManifest(directory: HostPath): Promise<Manifest | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(manifestPath(directory));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const isTree = await exists(`${directory}/rootfs`) && !await exists(`${directory}/overlay`);
    return isTree ? { kind: "plain", lowers: [] } : undefined;
  }
  try {
    return parseManifest(JSON.parse(text));
  } catch (error) {
    throw new Fault("internal", `the volume at "${directory}" has a damaged ${NAME}`, {
      cause: error,
      hint: "Restore the file from a backup, or delete the instance.",
    });
  }
}

function parseManifest(value: unknown): Manifest {
  if (typeof value !== "object" || value === null) throw new Error("not an object");
  const { kind, lowers, pending } = value as Record<string, unknown>;
  if (kind !== "overlay" && kind !== "plain") throw new Error("unknown kind");
  if (!Array.isArray(lowers) || !lowers.every((one) => /^(layers|images)\/[\w-]+$/.test(one))) {
    throw new Error("bad list of layers");
  }
  if (pending === undefined) return { kind, lowers };
  const { step, layer } = pending as Record<string, unknown>;
  if (step === "seal" && typeof layer === "string") {
    return { kind, lowers, pending: { step, layer } };
  }
  if (step === "reset" || step === "swap" || step === "drop") {
    return { kind, lowers, pending: { step } };
  }
  throw new Error("unknown step");
}

/** Replace the manifest: written beside, synced, renamed. */
export async function writeManifest(directory: HostPath, manifest: Manifest): Promise<void> {
  const path = manifestPath(directory);
  const temporary = `${path}.new`;
  {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    await file.write(new TextEncoder().encode(JSON.stringify(manifest)));
    await file.syncData();
  }
  await Deno.rename(temporary, path);
}
