/** Remove an image from a project, with all that only it needs. */
import { projectSuffix } from "#daemon/http/list.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { Services } from "#daemon/services.ts";
import type { ImageService } from "./create.ts";

export interface Removal {
  readonly project: string;
  readonly fingerprint: string;
  /** Nobody: it was removed by the clock. */
  readonly caller?: Caller;
}

/** @throws {Fault} not_found */
export async function removeImage(
  services: Services,
  images: ImageService,
  { project, fingerprint, caller }: Removal,
): Promise<void> {
  const { isLast } = await images.remove(project, fingerprint);
  if (isLast) await services.storage.imageDeleted(fingerprint);
  const source = `/1.0/images/${fingerprint}${projectSuffix(project)}`;
  services.events.lifecycle({
    action: "image-deleted",
    source,
    project,
    ...(caller !== undefined && { caller }),
  });
}
