/** Ask whether a project allows a change, before it is made. */
import { Fault } from "#base/errors.ts";
import type { Tx } from "#daemon/db/db.ts";
import { effectiveProject, getProject } from "#daemon/db/projects.ts";
import { type Configured, isLimited, loadContent, type ProjectContent } from "./content.ts";
import { checkLimits, imageBudget } from "./limits.ts";
import { checkRestrictions, refuseVolatile, requireAllowed } from "./restrictions.ts";

function checkContent(content: ProjectContent): void {
  checkLimits(content);
  checkRestrictions(content);
}

/**
 * An instance as it would be, new or changed.
 *
 * @param given keys that the user sets.
 * @throws {Fault} bad_request
 */
export async function checkInstanceAllowed(
  tx: Tx,
  project: string,
  next: Configured & { readonly given: readonly string[] },
): Promise<void> {
  const found = await getProject(tx, project);
  if (!isLimited(found)) return;
  refuseVolatile(found, next.given);
  const content = await loadContent(tx, project);
  const others = content.instances.filter(({ name }) => name !== next.name);
  checkContent({ ...content, instances: [...others, next] });
}

/** A profile as it would be, and instances as they would be with it. @throws {Fault} bad_request */
export async function checkProfileAllowed(
  tx: Tx,
  project: string,
  next: { readonly profile: Configured | undefined; readonly instances: readonly Configured[] },
): Promise<void> {
  if (!isLimited(await getProject(tx, project))) return;
  const content = await loadContent(tx, project);
  const changed = new Map(next.instances.map((one) => [one.name, one]));
  const others = content.profiles.filter(({ name }) => name !== next.profile?.name);
  checkContent({
    ...content,
    instances: content.instances.map((one) => changed.get(one.name) ?? one),
    profiles: next.profile === undefined ? content.profiles : [...others, next.profile],
  });
}

/** Another configuration of a project, against what it holds. @throws {Fault} bad_request */
export async function checkProjectAllowed(
  tx: Tx,
  project: string,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const wish = { project: { name: project, config } };
  if (!isLimited(wish.project)) return;
  const content = { ...await loadContent(tx, project), ...wish };
  checkLimits(content, "limit");
  checkRestrictions(content);
}

/** A custom volume, new or changed. @throws {Fault} bad_request */
export async function checkVolumeAllowed(
  tx: Tx,
  project: string,
  volume: { readonly name: string; readonly size: number | undefined },
): Promise<void> {
  if (!isLimited(await getProject(tx, project))) return;
  const content = await loadContent(tx, project);
  const others = content.volumes.filter(({ name }) => name !== volume.name);
  checkLimits({ ...content, volumes: [...others, volume] });
}

/** One network more. @throws {Fault} bad_request */
export async function checkNetworkAllowed(tx: Tx, project: string): Promise<void> {
  if (!isLimited(await getProject(tx, project))) return;
  const content = await loadContent(tx, project);
  checkLimits({ ...content, networks: content.networks + 1 });
}

/** An image of that many bytes. @throws {Fault} bad_request */
export async function checkImageAllowed(tx: Tx, project: string, bytes: number): Promise<void> {
  const owner = await effectiveProject(tx, project, "images");
  if (!isLimited(owner)) return;
  const budget = imageBudget(await loadContent(tx, owner.name));
  if (budget === undefined || bytes <= budget) return;
  throw new Fault(
    "bad_request",
    `Image of ${bytes} bytes is more than "limits.disk" of project "${owner.name}" leaves: ${budget}`,
  );
}

/** Snapshots or backups in a restricted project. @throws {Fault} not_authorized */
export async function checkCopiesAllowed(
  tx: Tx,
  project: string,
  what: "snapshots" | "backups",
): Promise<void> {
  requireAllowed(await getProject(tx, project), what);
}
