/** What volumes that were found need and the database lacks, in LXD's words. */
import { isTrue } from "#base/units.ts";
import type { Tx } from "#daemon/db/db.ts";
import { listNetworks } from "#daemon/db/networks.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import { effectiveProject, listProjects } from "#daemon/db/projects.ts";
import { expandDevices } from "#daemon/instances/expand.ts";
import type { Findings, LostInstance } from "./scan.ts";

/** Each once, for the user to make: projects first, then what is in those that exist. */
export async function missingDependencies(tx: Tx, findings: Findings): Promise<string[]> {
  const projects = new Map((await listProjects(tx)).map((one) => [one.name, one]));
  const missing = new Set<string>();
  for (const { project } of [...findings.instances, ...findings.volumes]) {
    if (!projects.has(project)) missing.add(`Project "${project}"`);
  }
  for (const { project } of findings.volumes) {
    const config = projects.get(project)?.config;
    if (config === undefined || project === "default") continue;
    if (!isTrue(config["features.storage.volumes"])) {
      missing.add(`Project "${project}" with features.storage.volumes=true`);
    }
  }
  for (const instance of findings.instances) {
    if (!projects.has(instance.project)) continue;
    for (const one of await ofInstance(tx, instance)) missing.add(one);
  }
  return [...missing];
}

async function ofInstance(tx: Tx, { project, saved }: LostInstance): Promise<string[]> {
  const owner = await effectiveProject(tx, project, "profiles");
  const profiles = await listProfiles(tx, owner.name);
  const wanted = saved.instance.profiles;
  const missing = wanted.filter((name) => !profiles.some((one) => one.name === name))
    .map((name) => `Profile "${name}" in project "${project}"`);
  const layers = wanted.flatMap((name) => profiles.filter((one) => one.name === name));
  const { id } = await effectiveProject(tx, project, "networks");
  const networks = new Set((await listNetworks(tx, id)).map((one) => one.name));
  for (const device of Object.values(expandDevices(layers, saved.instance.devices))) {
    const network = device["type"] === "nic" ? device["network"] ?? "" : "";
    if (network === "" || networks.has(network)) continue;
    missing.push(`Network "${network}" in project "${project}"`);
  }
  return missing;
}
