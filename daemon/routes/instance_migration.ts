/** Instances that come from another server, or go to one. */
import type { postInstance, postInstances } from "#api/routes/instances.ts";
import type { postSnapshot } from "#api/routes/instance_snapshots.ts";
import { background, type Call } from "#daemon/http/handle.ts";
import { ON_DISK } from "#daemon/instances/id_maps.ts";
import { isRunning } from "#daemon/instances/machine.ts";
import type { InstanceRecord, SnapshotRecord } from "#daemon/instances/record.ts";
import { watched } from "#daemon/migration/progress.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import type { Services } from "#daemon/services.ts";

/** POST /1.0/instances with a source of the type migration. */
export async function receive(
  services: Services,
  migrations: Migrations,
  { query, body, caller }: Call<typeof postInstances>,
) {
  const { actions } = services.instances;
  const { source = {} } = body;
  await migrations.refuseLive(source.live, true);
  const link = watched(migrations.link(source), body.name ?? "");
  const common = { project: query.project, caller, cancellable: true, ...link.start };
  const known = await actions.list(query.project);
  const target = known.find(({ name }) => name === body.name);
  if (source.refresh === true && target !== undefined) {
    const instanceOnly = source.instance_only ?? source.container_only ?? false;
    return background(services.operations.start({
      ...common,
      description: "Creating instance",
      resources: { instances: [target.name] },
      run: async ({ signal, progress }) => {
        link.tell(progress);
        await migrations.refresh(target, link, { instanceOnly, signal });
      },
    }));
  }
  // Files come with plain ids, whatever the other server has on its disk.
  const config = { ...body.config, [ON_DISK]: "[]" };
  const wanted = { ...body, config };
  const plan = await actions.planCreation(query.project, wanted, migrations.filled(link));
  return background(services.operations.start({
    ...common,
    description: "Creating instance",
    resources: { instances: [plan.name] },
    run: async ({ signal, progress }) => {
      link.tell(progress);
      await actions.create(plan, { caller, signal });
    },
  }));
}

/** POST on an instance or snapshot that says migration. */
export async function send(
  services: Services,
  migrations: Migrations,
  { query, body, caller }: Call<typeof postInstance> | Call<typeof postSnapshot>,
  what: { readonly instance: InstanceRecord; readonly snapshot: SnapshotRecord | undefined },
) {
  const runs = isRunning(services.instances.actions.state(what.instance.id));
  await migrations.refuseLive(body.live, runs && what.snapshot === undefined);
  const only = body as { instance_only?: boolean; container_only?: boolean };
  const instanceOnly = only.instance_only ?? only.container_only ?? false;
  const link = watched(migrations.linkTo(body.target), nameOf(what));
  return background(services.operations.start({
    description: "Migrating instance",
    project: query.project,
    resources: { instances: [what.instance.name] },
    caller,
    cancellable: true,
    ...link.start,
    run: async ({ signal, progress }) => {
      link.tell(progress);
      await migrations.send(link, { ...what, instanceOnly }, signal);
    },
  }));
}

function nameOf({ instance, snapshot }: {
  readonly instance: InstanceRecord;
  readonly snapshot: SnapshotRecord | undefined;
}): string {
  return snapshot === undefined ? instance.name : `${instance.name}/${snapshot.name}`;
}
