/** Projects. */
import {
  deleteProject,
  getProject as getProjectRow,
  getProjects,
  getProjectState,
  patchProject,
  postProject,
  postProjects,
  putProject,
} from "#api/routes/server.ts";
import { checkProjectConfig, PROJECT_FEATURES } from "#api/config/project_keys.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { text, type Tx } from "#daemon/db/db.ts";
import { getProject, listProjects, type Project } from "#daemon/db/projects.ts";
import { checkProjectAllowed } from "#daemon/projects/check.ts";
import { loadContent } from "#daemon/projects/content.ts";
import { usageOf } from "#daemon/projects/limits.ts";
import { type Caller, mayUse } from "#daemon/http/caller.ts";
import {
  background,
  type BoundRoute,
  type Call,
  created,
  handle,
  sync,
} from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";

async function render(tx: Tx, project: Project) {
  return {
    config: project.config,
    description: project.description,
    name: project.name,
    used_by: await usedBy(tx, project),
  };
}

const USES: readonly (readonly [table: string, column: string, path: string])[] = [
  ["instances", "name", "instances"],
  ["profiles", "name", "profiles"],
  ["images", "fingerprint", "images"],
  ["networks", "name", "networks"],
  ["networks_acls", "name", "network-acls"],
  ["networks_zones", "name", "network-zones"],
];

async function usedBy(tx: Tx, project: Project): Promise<string[]> {
  const suffix = project.name === "default" ? "" : `?project=${project.name}`;
  const urls: string[] = [];
  for (const [table, column, path] of USES) {
    const rows = await tx.all(
      `SELECT ${column} AS name FROM ${table} WHERE project_id = ? ORDER BY ${column}`,
      project.id,
    );
    urls.push(...rows.map((row) => `/1.0/${path}/${text(row, "name")}${suffix}`));
  }
  const volumes = await tx.all(
    "SELECT v.name, p.name AS pool FROM storage_volumes v JOIN storage_pools p " +
      "ON p.id = v.storage_pool_id WHERE v.project_id = ? AND v.type = 2 ORDER BY v.name",
    project.id,
  );
  urls.push(
    ...volumes.map((row) =>
      `/1.0/storage-pools/${text(row, "pool")}/volumes/custom/${text(row, "name")}${suffix}`
    ),
  );
  return urls;
}

/** What only the default profile uses is as good as empty. */
function isEmpty(urls: readonly string[]): boolean {
  return urls.every((url) => url.startsWith("/1.0/profiles/default"));
}

/** @throws {Fault} not_authorized */
function requireSight(caller: Caller, project: string): void {
  if (!mayUse(caller, project)) throw new Fault("not_authorized", "not authorized");
}

function checkName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (/[/\s'"*\p{Cc}]/u.test(name) || name === "." || name === ".." || name.includes("_")) {
    throw new Fault("bad_request", `invalid project name "${name}"`, {
      hint: "Names have no slashes, white space, quotes, asterisks or underscores.",
    });
  }
}

async function update(services: Services, call: Call<typeof putProject>, isPatch: boolean) {
  await services.db.write(async (tx) => {
    const project = await getProject(tx, call.params.name);
    call.ifMatch({ description: project.description, config: project.config });
    const config = isPatch ? { ...project.config, ...call.body.config } : call.body.config ?? {};
    checkProjectConfig(config);
    const changed = PROJECT_FEATURES.filter((key) =>
      isTrue(config[key]) !== isTrue(project.config[key])
    );
    if (changed.length > 0) {
      if (project.name === "default") {
        throw new Fault("bad_request", "You can't change the features of the default project");
      }
      if (!isEmpty(await usedBy(tx, project))) {
        throw new Fault("bad_request", "Features can only be changed on empty projects");
      }
    }
    await checkProjectAllowed(tx, project.name, config);
    await writeConfig(tx, "projects", project.id, config);
    const description = call.body.description ?? (isPatch ? project.description : "");
    await tx.run("UPDATE projects SET description = ? WHERE id = ?", description, project.id);
    await ensureDefaultProfile(tx, project, config);
  });
  return sync();
}

async function ensureDefaultProfile(
  tx: Tx,
  { id, name }: { readonly id: number; readonly name: string },
  config: Readonly<Record<string, string>>,
) {
  if (!isTrue(config["features.profiles"])) {
    await tx.run("DELETE FROM profiles WHERE project_id = ? AND project_id <> 1", id);
    return;
  }
  await tx.run(
    "INSERT OR IGNORE INTO profiles (name, description, project_id) VALUES ('default', ?, ?)",
    `Default LXD profile for project ${name}`,
    id,
  );
}

export default [
  handle(getProjects, async ({ db }, call) => {
    const all = await db.read(async (tx) => {
      const projects = (await listProjects(tx)).filter(({ name }) => mayUse(call.caller, name));
      return await Promise.all(projects.map((project) => render(tx, project)));
    });
    return list(call, all, ({ name }) => `/1.0/projects/${name}`);
  }),
  handle(postProjects, async ({ db, events }, { body, caller }) => {
    checkName(body.name);
    const config: Record<string, string> = {
      "features.images": "true",
      "features.profiles": "true",
      "features.storage.volumes": "true",
      ...body.config,
    };
    checkProjectConfig(config);
    await db.write(async (tx) => {
      const taken = await tx.get("SELECT 1 FROM projects WHERE name = ?", body.name);
      if (taken !== undefined) {
        throw new Fault("conflict", `Failed adding project "${body.name}": it already exists`);
      }
      const { lastId } = await tx.run(
        "INSERT INTO projects (name, description) VALUES (?, ?)",
        body.name,
        body.description ?? "",
      );
      await writeConfig(tx, "projects", lastId, config);
      if (isTrue(config["features.profiles"])) {
        await ensureDefaultProfile(tx, { id: lastId, name: body.name }, config);
      }
    });
    const source = `/1.0/projects/${body.name}`;
    events.lifecycle({ action: "project-created", source, project: body.name, caller });
    return created(source);
  }),
  handle(getProjectRow, async ({ db }, { params, caller }) => {
    requireSight(caller, params.name);
    const object = await db.read(async (tx) => render(tx, await getProject(tx, params.name)));
    return sync(object, { etag: { description: object.description, config: object.config } });
  }),
  handle(putProject, (services, call) => update(services, call, false)),
  handle(patchProject, (services, call) => update(services, call, true)),
  handle(postProject, ({ db, operations, events }, { params, body, caller }) => {
    if (params.name === "default") {
      throw new Fault("not_authorized", "The 'default' project cannot be renamed");
    }
    checkName(body.name);
    return background(operations.start({
      description: "Renaming project",
      project: params.name,
      caller,
      run: async () => {
        await db.write(async (tx) => {
          const project = await getProject(tx, params.name);
          if (!isEmpty(await usedBy(tx, project))) {
            throw new Fault("bad_request", "Only empty projects can be renamed");
          }
          await tx.run("UPDATE projects SET name = ? WHERE id = ?", body.name, project.id);
        });
        const source = `/1.0/projects/${body.name}`;
        events.lifecycle({ action: "project-renamed", source, project: body.name, caller });
      },
    }));
  }),
  handle(deleteProject, async ({ db, events }, { params, caller }) => {
    if (params.name === "default") {
      throw new Fault("not_authorized", "The 'default' project cannot be deleted");
    }
    await db.write(async (tx) => {
      const project = await getProject(tx, params.name);
      if (!isEmpty(await usedBy(tx, project))) {
        throw new Fault("bad_request", "Only empty projects can be removed", {
          hint: "Delete its instances, images, networks and volumes first.",
        });
      }
      await tx.run("DELETE FROM projects WHERE id = ?", project.id);
    });
    const source = `/1.0/projects/${params.name}`;
    events.lifecycle({ action: "project-deleted", source, project: params.name, caller });
    return sync();
  }),
  handle(getProjectState, async ({ db }, { params, caller }) => {
    requireSight(caller, params.name);
    const usage = await db.read(async (tx) => usageOf(await loadContent(tx, params.name)));
    return sync({ resources: usage });
  }),
] satisfies BoundRoute[];
