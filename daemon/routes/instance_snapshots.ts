/** Snapshots of instances. */
import { parseExpiry } from "#base/time.ts";
import { checkCopiesAllowed } from "#daemon/projects/check.ts";
import {
  deleteSnapshot,
  getSnapshot,
  getSnapshots,
  patchSnapshot,
  postSnapshot,
  postSnapshots,
  putSnapshot,
} from "#api/routes/instance_snapshots.ts";
import { Fault } from "#base/errors.ts";
import { background, type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { volumeOf } from "#daemon/instances/context.ts";
import { checkSnapshotName } from "#daemon/instances/name.ts";
import { renderSnapshot } from "#daemon/instances/render.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import { send } from "./instance_migration.ts";
import type { Services } from "#daemon/services.ts";

async function change(services: Services, call: Call<typeof putSnapshot>) {
  const { params, query, body, caller } = call;
  const { actions } = services.instances;
  const record = await actions.get(query.project, params.name);
  const snapshot = await actions.getSnapshot(record, params.snapshot);
  call.ifMatch(etagOf(snapshot.expiresAt));
  const expiresAt = parseExpiry(body.expires_at) ?? "";
  return background(services.operations.start({
    description: "Updating snapshot",
    project: query.project,
    resources: { instances: [record.name] },
    caller,
    run: () =>
      actions.changeSnapshotExpiry(record, { name: params.snapshot, expiresAt }, { caller }),
  }));
}

const etagOf = (expiresAt: string) => [expiresAt];

export const instanceSnapshotRoutes = (
  deps: { readonly migrations: Migrations },
): BoundRoute[] => [
  handle(getSnapshots, async (services, call) => {
    const { params, query, request } = call;
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    const snapshots = (await actions.snapshots([record])).get(record.id) ?? [];
    const kind = (request.url ?? "").startsWith("/1.0/containers") ? "containers" : "instances";
    return list(
      call,
      snapshots.map((one) => renderSnapshot(one)),
      ({ name }) => `/1.0/${kind}/${record.name}/snapshots/${name}${projectSuffix(query.project)}`,
    );
  }),
  handle(postSnapshots, async (services, { params, query, body, caller }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    await services.db.read((tx) => checkCopiesAllowed(tx, query.project, "snapshots"));
    const isStateful = body.stateful === true;
    if (isStateful) await actions.assertDumpable(record, "create a stateful snapshot");
    const name = await actions.planSnapshotName(record, body.name ?? "");
    const expiresAt = parseExpiry(body.expires_at);
    return background(services.operations.start({
      description: "Snapshotting instance",
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: async ({ signal }) => {
        const wish = { name, expiresAt, isStateful };
        const { frozenMs } = await actions.takeSnapshot(record, wish, { caller, signal });
        return frozenMs === undefined ? undefined : { frozen_ms: Math.ceil(frozenMs) };
      },
    }));
  }),
  handle(getSnapshot, async (services, { params, query }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    const snapshot = await actions.getSnapshot(record, params.snapshot);
    let sizeBytes = -1;
    try {
      const usage = await services.storage.instances.usage(volumeOf(record), snapshot.name);
      sizeBytes = usage.usedBytes;
    } catch {
      // Ignored: shown without the size that the pool can't tell.
    }
    return sync(renderSnapshot(snapshot, sizeBytes), {
      etag: etagOf(snapshot.expiresAt),
    });
  }),
  handle(putSnapshot, change),
  handle(patchSnapshot, (services, call) => change(services, call)),
  handle(postSnapshot, async (services, call) => {
    const { params, query, body, caller } = call;
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    const snapshot = await actions.getSnapshot(record, params.snapshot);
    if (body.migration === true) {
      return await send(services, deps.migrations, call, { instance: record, snapshot });
    }
    const to = body.name ?? "";
    checkSnapshotName(to);
    const taken = (await actions.snapshots([record])).get(record.id) ?? [];
    if (taken.some((one) => one.name === to)) {
      throw new Fault("conflict", `Name "${to}" already in use`);
    }
    return background(services.operations.start({
      description: "Renaming snapshot",
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: () => actions.renameSnapshot(record, { from: params.snapshot, to }, { caller }),
    }));
  }),
  handle(deleteSnapshot, async (services, { params, query, caller }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    await actions.getSnapshot(record, params.snapshot);
    return background(services.operations.start({
      description: "Deleting snapshot",
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: () => actions.deleteSnapshot(record, params.snapshot, { caller }),
    }));
  }),
];
