/** Profiles; a change reaches every instance that uses them. */
import {
  deleteProfile,
  getProfile as getProfileRow,
  getProfiles,
  patchProfile,
  postProfile,
  postProfiles,
  putProfile,
} from "#api/routes/profiles.ts";
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import { Fault } from "#base/errors.ts";
import {
  getProfile,
  insertProfile,
  listProfiles,
  type Profile,
  updateProfile,
} from "#daemon/db/profiles.ts";
import { effectiveProject, listProjects } from "#daemon/db/projects.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { InstanceUse } from "#daemon/instances/service.ts";
import type { Services } from "#daemon/services.ts";
import { isTrue } from "#base/units.ts";

/** Names of profiles may have spaces. */
const urlOf = (name: string, project: string) =>
  `/1.0/profiles/${encodeURIComponent(name)}${projectSuffix(project)}`;

/** URLs of the instances that use a profile: those of its project, and of projects without profiles. */
async function usedBy(services: Services, profile: Profile, uses: readonly InstanceUse[]) {
  const projects = await services.db.read((tx) => listProjects(tx));
  const sharing = new Set(
    projects.filter(({ name, config }) =>
      name === profile.project ||
      (profile.project === "default" && !isTrue(config["features.profiles"]))
    ).map(({ name }) => name),
  );
  return uses.filter((use) => sharing.has(use.project) && use.profiles.includes(profile.name))
    .map((use) => `/1.0/instances/${use.name}${projectSuffix(use.project)}`);
}

async function render(services: Services, profile: Profile, uses: readonly InstanceUse[]) {
  return {
    config: profile.config,
    description: profile.description,
    devices: profile.devices,
    name: profile.name,
    used_by: await usedBy(services, profile, uses),
  };
}

const etagOf = ({ config, description, devices }: Profile) => [config, description, devices];

function checkName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (/[/\p{Cc}]/u.test(name) || name === "." || name === "..") {
    throw new Fault("bad_request", `invalid profile name "${name}"`, {
      hint: "Names have no slashes or control characters and are not . or ..",
    });
  }
}

async function find(services: Services, project: string, name: string): Promise<Profile> {
  return await services.db.read(async (tx) => {
    const owner = await effectiveProject(tx, project, "profiles");
    return await getProfile(tx, owner.name, name);
  });
}

async function update(services: Services, call: Call<typeof putProfile>, isPatch: boolean) {
  const { params, query, body, caller } = call;
  const before = await find(services, query.project, params.name);
  call.ifMatch(etagOf(before));
  const next = {
    description: body.description ?? (isPatch ? before.description : ""),
    config: isPatch ? { ...before.config, ...body.config } : body.config ?? {},
    devices: isPatch ? { ...before.devices, ...body.devices } : body.devices ?? {},
  };
  checkInstanceConfig(next.config, "profile");
  await services.instances.checkProfileChange(before.project, before.name, next);
  await services.db.write((tx) => updateProfile(tx, before.id, next));
  const source = urlOf(before.name, before.project);
  services.events.lifecycle({ action: "profile-updated", source, project: before.project, caller });
  await services.instances.applyProfileChange(before.project, before.name, before, caller);
  return sync();
}

export default [
  handle(getProfiles, async (services, call) => {
    const profiles = await services.db.read(async (tx) => {
      const owner = await effectiveProject(tx, call.query.project, "profiles");
      return await listProfiles(tx, owner.name);
    });
    const uses = await services.instances.listUses();
    const all = await Promise.all(profiles.map((profile) => render(services, profile, uses)));
    return list(
      call,
      all,
      ({ name }) => urlOf(name, call.query.project),
    );
  }),
  handle(postProfiles, async (services, { query, body, caller }) => {
    checkName(body.name);
    const profile = {
      name: body.name,
      description: body.description ?? "",
      config: body.config ?? {},
      devices: body.devices ?? {},
    };
    checkInstanceConfig(profile.config, "profile");
    await services.instances.checkProfileChange(query.project, profile.name, profile);
    await services.db.write(async (tx) => {
      const owner = await effectiveProject(tx, query.project, "profiles");
      await insertProfile(tx, owner.id, profile);
    });
    const source = urlOf(body.name, query.project);
    services.events.lifecycle({
      action: "profile-created",
      source,
      project: query.project,
      caller,
    });
    return created(source);
  }),
  handle(getProfileRow, async (services, { params, query }) => {
    const profile = await find(services, query.project, params.name);
    const object = await render(services, profile, await services.instances.listUses());
    return sync(object, { etag: etagOf(profile) });
  }),
  handle(putProfile, (services, call) => update(services, call, false)),
  handle(patchProfile, (services, call) => update(services, call, true)),
  handle(postProfile, async (services, { params, query, body, caller }) => {
    if (params.name === "default") {
      throw new Fault("not_authorized", 'The "default" profile cannot be renamed');
    }
    checkName(body.name);
    const profile = await find(services, query.project, params.name);
    await services.db.write(async (tx) => {
      const taken = (await listProfiles(tx, profile.project)).some(({ name }) =>
        name === body.name
      );
      if (taken) throw new Fault("conflict", `Name "${body.name}" already in use`);
      await tx.run("UPDATE profiles SET name = ? WHERE id = ?", body.name, profile.id);
    });
    const source = urlOf(body.name, query.project);
    services.events.lifecycle({
      action: "profile-renamed",
      source,
      project: query.project,
      caller,
    });
    return created(source);
  }),
  handle(deleteProfile, async (services, { params, query, caller }) => {
    if (params.name === "default") {
      throw new Fault("not_authorized", 'The "default" profile cannot be deleted');
    }
    const profile = await find(services, query.project, params.name);
    const users = await usedBy(services, profile, await services.instances.listUses());
    if (users.length > 0) {
      throw new Fault("bad_request", "Profile is currently in use", {
        hint: `Used by ${users.slice(0, 5).join(", ")}`,
      });
    }
    await services.db.write((tx) => tx.run("DELETE FROM profiles WHERE id = ?", profile.id));
    const source = urlOf(params.name, query.project);
    services.events.lifecycle({
      action: "profile-deleted",
      source,
      project: query.project,
      caller,
    });
    return sync();
  }),
] satisfies BoundRoute[];
