/**
 * A project quota that is lifted while two trees of a volume are there at once. What it was is written
 * down beside the volume first, so that the next start sets it again where a crash came between.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { exists, removeTree } from "#daemon/host/files.ts";
import type { ProjectQuotas } from "./project_quota.ts";

const NAME = "limit.lifted";

const noteOf = (directory: HostPath) => hostPath(`${directory}/${NAME}`);

/** @param quotas undefined, or no limit of this directory: there is nothing to lift. */
export async function withoutLimit(
  quotas: ProjectQuotas | undefined,
  directory: HostPath,
  work: () => Promise<void>,
): Promise<void> {
  const limitBytes = (await quotas?.show(directory))?.limitBytes ?? 0;
  if (quotas === undefined || limitBytes === 0) return await work();
  // A short link takes no block: there may be none left.
  await Deno.symlink(`${limitBytes}`, noteOf(directory));
  await quotas.limit(directory, 0);
  try {
    await work();
  } finally {
    await limitAgain(quotas, directory);
  }
}

/** Was it lifted by a daemon that ended then? */
export async function isLifted(directory: HostPath): Promise<boolean> {
  return await exists(noteOf(directory));
}

export async function limitAgain(quotas: ProjectQuotas, directory: HostPath): Promise<void> {
  const limitBytes = Number(await Deno.readLink(noteOf(directory)));
  await quotas.limit(directory, limitBytes);
  await removeTree(noteOf(directory));
}
