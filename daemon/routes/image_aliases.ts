/** Image aliases. */
import {
  deleteAlias,
  getAlias,
  getAliases,
  patchAlias,
  postAlias,
  postAliases,
  putAlias,
} from "#api/routes/images.ts";
import { Fault } from "#base/errors.ts";
import { type AliasRow, findAlias, getImage, insertAlias, listAliases } from "#daemon/db/images.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import type { Tx } from "#daemon/db/db.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";

const render = ({ name, description, target }: AliasRow) => ({
  name,
  description,
  target,
  type: "container",
});

async function isPublicImage(tx: Tx, id: number): Promise<boolean> {
  const row = await tx.get("SELECT public FROM images WHERE id = ?", id);
  return row?.["public"] === 1;
}

/** @throws {Fault} not_found */
async function find(tx: Tx, projectId: number, name: string): Promise<AliasRow> {
  const alias = await findAlias(tx, projectId, name);
  if (alias === undefined) throw new Fault("not_found", "Image alias not found");
  return alias;
}

async function update(services: Services, call: Call<typeof putAlias>, isPatch: boolean) {
  const { body, params, query } = call;
  await services.db.write(async (tx) => {
    const { id } = await effectiveProject(tx, query.project, "images");
    const alias = await find(tx, id, params.name);
    call.ifMatch(render(alias));
    if (!isPatch && (body.target ?? "") === "") {
      throw new Fault("bad_request", "The target field is required");
    }
    const image = await getImage(tx, id, body.target ?? alias.target);
    await tx.run(
      "UPDATE images_aliases SET description = ?, image_id = ? WHERE project_id = ? AND name = ?",
      body.description ?? (isPatch ? alias.description : ""),
      image.id,
      id,
      params.name,
    );
  });
  event(services, call, "image-alias-updated", params.name);
  return sync();
}

function event(
  services: Services,
  { caller, query }: Pick<Call<typeof putAlias>, "caller" | "query">,
  action: string,
  name: string,
): void {
  const { project } = query;
  const source = `/1.0/images/aliases/${encodeURIComponent(name)}${projectSuffix(project)}`;
  services.events.lifecycle({ action, source, project, caller });
}

export default [
  handle(getAliases, async ({ db }, call) => {
    const aliases = await db.read(async (tx) => {
      const { id } = await effectiveProject(tx, call.query.project, "images");
      const all = await listAliases(tx, id);
      if (call.caller.trusted) return all;
      const open = await Promise.all(all.map(({ imageId }) => isPublicImage(tx, imageId)));
      return all.filter((_alias, index) => open[index]);
    });
    const suffix = projectSuffix(call.query.project);
    return list(call, aliases.map(render), ({ name }) => `/1.0/images/aliases/${name}${suffix}`);
  }),
  handle(postAliases, async (services, call) => {
    const { body, query } = call;
    if (body.name === "" || body.target === "") {
      throw new Fault("bad_request", "name and target are required");
    }
    await services.db.write(async (tx) => {
      const { id } = await effectiveProject(tx, query.project, "images");
      const image = await getImage(tx, id, body.target);
      const { name, description = "" } = body;
      await insertAlias(tx, id, { name, description, imageId: image.id });
    });
    event(services, call, "image-alias-created", body.name);
    return created(`/1.0/images/aliases/${body.name}${projectSuffix(query.project)}`);
  }),
  handle(getAlias, async ({ db }, { params, query, caller }) => {
    const alias = await db.read(async (tx) => {
      const { id } = await effectiveProject(tx, query.project, "images");
      const found = await find(tx, id, params.name);
      if (!caller.trusted && !await isPublicImage(tx, found.imageId)) {
        throw new Fault("not_found", "Image alias not found");
      }
      return found;
    });
    return sync(render(alias), { etag: render(alias) });
  }),
  handle(putAlias, (services, call) => update(services, call, false)),
  handle(patchAlias, (services, call) => update(services, call, true)),
  handle(postAlias, async (services, call) => {
    const { body, params, query } = call;
    await services.db.write(async (tx) => {
      const { id } = await effectiveProject(tx, query.project, "images");
      await find(tx, id, params.name);
      if (await findAlias(tx, id, body.name) !== undefined) {
        throw new Fault("conflict", `Alias "${body.name}" already exists`);
      }
      await tx.run(
        "UPDATE images_aliases SET name = ? WHERE project_id = ? AND name = ?",
        body.name,
        id,
        params.name,
      );
    });
    event(services, call, "image-alias-renamed", body.name);
    return created(`/1.0/images/aliases/${body.name}${projectSuffix(query.project)}`);
  }),
  handle(deleteAlias, async (services, call) => {
    const { params, query } = call;
    await services.db.write(async (tx) => {
      const { id } = await effectiveProject(tx, query.project, "images");
      await find(tx, id, params.name);
      await tx.run("DELETE FROM images_aliases WHERE project_id = ? AND name = ?", id, params.name);
    });
    event(services, call, "image-alias-deleted", params.name);
    return sync();
  }),
] satisfies BoundRoute[];
