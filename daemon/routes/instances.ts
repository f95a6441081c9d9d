/** /1.0/instances: list, create, show, change, rename, delete, metadata, the stop hook. */
import { containerOnStop } from "#api/routes/instance_hooks.ts";
import {
  deleteInstance,
  getInstance,
  getInstances,
  type InstanceFull,
  type InstancePut,
  type InstancesPost,
  patchInstance,
  postInstance,
  postInstances,
  putInstance,
  rebuildInstance,
} from "#api/routes/instances.ts";
import { Fault } from "#base/errors.ts";
import type { Backups } from "#daemon/backups/service.ts";
import { background, type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { mayUse } from "#daemon/http/caller.ts";
import { findArchitecture, type InstanceRecord } from "#daemon/instances/record.ts";
import { instanceEtag, renderInstance, renderSnapshot } from "#daemon/instances/render.ts";
import type { InstanceWish } from "#daemon/instances/update.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import type { Services } from "#daemon/services.ts";
import { receive, send } from "./instance_migration.ts";

const PARALLEL_STATES = 64;

async function listInstances(services: Services, call: Call<typeof getInstances>) {
  const { query, caller, request } = call;
  const { actions } = services.instances;
  const all = await actions.list(query.allProjects ? undefined : query.project);
  const visible = all.filter((record) => mayUse(caller, record.project));
  const prefix = (request.url ?? "").startsWith("/1.0/containers")
    ? "/1.0/containers"
    : "/1.0/instances";
  const urlOf = (record: { name: string; project: string }) =>
    `${prefix}/${record.name}${projectSuffix(record.project)}`;
  const type = query["instance-type"] ?? "";
  if (!["", "container", "virtual-machine"].includes(type)) {
    throw new Fault("bad_request", `Invalid instance type "${type}"`, {
      hint: "container or virtual-machine",
    });
  }
  const isForMachines = (request.url ?? "").startsWith("/1.0/virtual-machines");
  if (isForMachines || type === "virtual-machine") return sync([]);
  const { filter } = query;
  if (query.recursion === 0 && (filter === undefined || filter === "")) {
    return sync(visible.map(urlOf));
  }
  if (query.recursion < 2) {
    const objects = visible.map((record) => renderInstance(record, actions.state(record.id)));
    return list(call, objects, urlOf);
  }
  const snapshots = await actions.snapshots(visible);
  const full = await inPool(visible, async (record): Promise<InstanceFull> => {
    const state = actions.state(record.id);
    return {
      ...renderInstance(record, state),
      backups: null,
      state: await actions.fullState(record, state),
      snapshots: (snapshots.get(record.id) ?? []).map((one) => renderSnapshot(one)),
    };
  });
  return list(call, full, urlOf);
}

/** `run` for each item, at most PARALLEL_STATES at a time, results in order. */
async function inPool<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item !== undefined) results[index] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_STATES }, worker));
  return results;
}

/** What a PUT asks for; fields that are left out get their defaults. */
function wishOfPut(record: InstanceRecord, body: InstancePut): InstanceWish {
  return {
    config: body.config ?? {},
    devices: body.devices ?? {},
    profiles: body.profiles ?? [],
    description: body.description ?? "",
    isEphemeral: body.ephemeral ?? false,
    architecture: architectureOf(record, body),
  };
}

/** A PATCH: what is left out stays; keys of config and devices are merged. */
function wishOfPatch(record: InstanceRecord, body: InstancePut): InstanceWish {
  return {
    config: { ...record.config, ...body.config },
    devices: { ...record.devices, ...body.devices },
    profiles: body.profiles ?? record.profiles.map((layer) => layer.name),
    description: body.description ?? record.description,
    isEphemeral: body.ephemeral ?? record.isEphemeral,
    architecture: architectureOf(record, body),
  };
}

function architectureOf(record: InstanceRecord, body: InstancePut): number {
  const name = body.architecture ?? "";
  const found = name === "" ? record.architecture : findArchitecture(name);
  if (found === undefined) throw new Fault("bad_request", `Unknown architecture "${name}"`);
  return found;
}

/** The body is the archive of a backup; headers say name and pool. */
async function importBackup(
  services: Services,
  backups: Backups,
  { query, caller, request }: Call<typeof postInstances>,
) {
  const { actions } = services.instances;
  const received = await backups.receive(request);
  try {
    const plan = await backups.planImport(received, {
      project: query.project,
      name: String(request.headers["x-lxd-name"] ?? ""),
      pool: String(request.headers["x-lxd-pool"] ?? ""),
    });
    return background(services.operations.start({
      description: "Restoring backup",
      project: query.project,
      resources: { instances: [plan.name] },
      caller,
      run: async ({ signal }) => {
        await using _archive = received;

        await actions.create(plan, { caller, signal });
      },
    }));
  } catch (error) {
    await received[Symbol.asyncDispose]();
    throw error;
  }
}

/** A copy that is there already gets what changed. */
async function refresh(
  services: Services,
  { query, caller }: Call<typeof postInstances>,
  body: InstancesPost,
) {
  const { actions } = services.instances;
  const plan = await actions.planRefresh(query.project, body.name ?? "", body);
  return background(services.operations.start({
    description: "Creating instance",
    project: query.project,
    resources: { instances: [plan.target.name] },
    caller,
    run: ({ signal }) => actions.refresh(plan, { caller, signal }),
  }));
}

async function create(
  services: Services,
  { backups, migrations }: InstanceRouteDeps,
  call: Call<typeof postInstances>,
) {
  const { query, body, caller } = call;
  if (body === undefined) return await importBackup(services, backups, call);
  const { actions } = services.instances;
  if (body.source?.type === "migration") return await receive(services, migrations, call);
  if (body.source?.type === "copy" && body.source.refresh === true) {
    const known = await actions.list(query.project);
    if (known.some(({ name }) => name === body.name)) return await refresh(services, call, body);
  }
  const { source } = body;
  const isForeign = source?.type === "image" && (source.server ?? "") !== "";
  // An image of another server comes during the operation: the rest is checked before.
  const first = isForeign ? { ...body, source: { type: "none" } } : body;
  const plan = await actions.planCreation(query.project, first);
  return background(services.operations.start({
    description: "Creating instance",
    project: query.project,
    resources: { instances: [plan.name] },
    caller,
    cancellable: isForeign,
    run: async ({ signal, progress }) => {
      if (!isForeign) return void await actions.create(plan, { caller, signal });
      const fingerprint = await services.images.fetch(query.project, source, {
        signal,
        progress: (text) => progress({ download_progress: text }),
      });
      const whole = await actions.planCreation(query.project, {
        ...body,
        name: plan.name,
        source: { type: "image", fingerprint },
      });
      await actions.create(whole, { caller, signal });
    },
  }));
}

async function put(services: Services, call: Call<typeof putInstance>) {
  const { params, query, body, caller } = call;
  const { actions } = services.instances;
  const record = await actions.get(query.project, params.name);
  call.ifMatch(instanceEtag(record));
  const snapshot = body.restore ?? "";
  if (snapshot !== "") {
    const name = snapshot.split("/").at(-1) ?? "";
    const saved = await actions.getSnapshot(record, name);
    if (body.stateful === true && !saved.isStateful) {
      throw new Fault("bad_request", `Snapshot "${name}" has no running state`, {
        hint: "It was taken without --stateful: restore it without, too.",
      });
    }
    return background(services.operations.start({
      description: "Restoring snapshot",
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: ({ signal }) =>
        actions.restore(record, name, { caller, signal, isStateful: body.stateful === true }),
    }));
  }
  return background(services.operations.start({
    description: "Updating instance",
    project: query.project,
    resources: { instances: [record.name] },
    caller,
    run: () => actions.change(record, wishOfPut(record, body), { caller }),
  }));
}

/** To another pool or project of this server. */
async function move(
  services: Services,
  { query, body, caller }: Call<typeof postInstance>,
  record: InstanceRecord,
) {
  const { actions } = services.instances;
  const plan = await actions.planMove(record, {
    name: body.name ?? "",
    pool: body.pool ?? "",
    project: body.project ?? "",
    instanceOnly: body.instance_only ?? body.container_only ?? false,
  });
  return background(services.operations.start({
    description: "Moving instance",
    project: query.project,
    resources: { instances: [record.name] },
    caller,
    run: ({ signal }) => actions.move(record, plan, { caller, signal }),
  }));
}

async function rename(
  services: Services,
  migrations: Migrations,
  call: Call<typeof postInstance>,
) {
  const { params, query, body, caller } = call;
  const { actions } = services.instances;
  const record = await actions.get(query.project, params.name);
  if ((body.pool ?? "") !== "" || (body.project ?? "") !== "") {
    return await move(services, call, record);
  }
  if (body.migration === true) {
    return await send(services, migrations, call, { instance: record, snapshot: undefined });
  }
  const name = body.name ?? "";
  await actions.assertRenamable(record, name);
  return background(services.operations.start({
    description: "Renaming instance",
    project: query.project,
    resources: { instances: [record.name] },
    caller,
    run: () => actions.rename(record, name, { caller }),
  }));
}

async function rebuild(services: Services, call: Call<typeof rebuildInstance>) {
  const { params, query, body: { source }, caller } = call;
  const { actions } = services.instances;
  const record = await actions.get(query.project, params.name);
  const isForeign = source.type === "image" && (source.server ?? "") !== "";
  // An image of another server comes during the operation: the rest is checked before.
  const first = await actions.planRebuild(record, isForeign ? { type: "none" } : source);
  return background(services.operations.start({
    description: "Rebuilding instance",
    project: query.project,
    resources: { instances: [record.name] },
    caller,
    cancellable: isForeign,
    run: async ({ signal, progress }) => {
      if (!isForeign) return await actions.rebuild(record, first, { caller, signal });
      const fingerprint = await services.images.fetch(query.project, source, {
        signal,
        progress: (text) => progress({ download_progress: text }),
      });
      const plan = await actions.planRebuild(record, { type: "image", fingerprint });
      await actions.rebuild(record, plan, { caller, signal });
    },
  }));
}

export interface InstanceRouteDeps {
  readonly backups: Backups;
  readonly migrations: Migrations;
}

/** What takes time goes on as an operation. */
export const instanceRoutes = (deps: InstanceRouteDeps): BoundRoute[] => [
  handle(getInstances, listInstances),
  handle(postInstances, (services, call) => create(services, deps, call)),
  handle(getInstance, async (services, { params, query }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    const runs = actions.state(record.id);
    const object = renderInstance(record, runs);
    const etag = instanceEtag(record);
    if (query.recursion === 0) return sync(object, { etag });
    const snapshots = (await actions.snapshots([record])).get(record.id) ?? [];
    return sync({
      ...object,
      backups: null,
      state: await actions.fullState(record, runs),
      snapshots: snapshots.map((one) => renderSnapshot(one)),
    }, { etag });
  }),
  handle(putInstance, put),
  handle(patchInstance, async (services, call) => {
    const { params, query, body, caller } = call;
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    call.ifMatch(instanceEtag(record));
    await actions.change(record, wishOfPatch(record, body), { caller });
    return sync();
  }),
  handle(postInstance, (services, call) => rename(services, deps.migrations, call)),
  handle(rebuildInstance, rebuild),
  handle(deleteInstance, async (services, { params, query, caller }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    actions.assertDeletable(record);
    return background(services.operations.start({
      description: "Deleting instance",
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: () => actions.delete(record, { caller }),
    }));
  }),
  handle(containerOnStop, (services, { params, query }) => {
    const target = query.target === "reboot" ? "reboot" : "stop";
    services.instances.actions.noteTarget(Number(params.id), target);
    return sync();
  }),
];
