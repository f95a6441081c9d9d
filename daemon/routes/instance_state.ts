/** State of instances: show it, change it, change it for all. */
import {
  getInstanceState,
  type InstanceStatePut,
  putInstances,
  putInstanceState,
} from "#api/routes/instances.ts";
import { Fault, messageOf } from "#base/errors.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { background, type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { assertAllowed } from "#daemon/instances/machine.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import type { Services } from "#daemon/services.ts";

/** LXD's words for the operation of each action. */
const DESCRIPTIONS = {
  start: "Starting instance",
  stop: "Stopping instance",
  restart: "Restarting instance",
  freeze: "Freezing instance",
  unfreeze: "Unfreezing instance",
} as const;

async function perform(
  services: Services,
  record: InstanceRecord,
  wish: InstanceStatePut,
  asked: { caller: Caller; signal: AbortSignal },
): Promise<void> {
  const { actions } = services.instances;
  const seconds = wish.timeout ?? -1;
  const options = {
    ...asked,
    isForced: wish.force ?? false,
    ...(seconds > 0 && { timeoutMs: seconds * 1000 }),
  };
  switch (wish.action) {
    case "start":
      return wish.stateful === true
        ? await actions.startStateful(record, asked)
        : await actions.start(record, asked);
    case "stop":
      if (wish.stateful === true) return await actions.stopStateful(record, asked);
      return await actions.stop(record, options);
    case "restart":
      return await actions.restart(record, options);
    case "freeze":
      return await actions.freeze(record, asked);
    case "unfreeze":
      return await actions.unfreeze(record, asked);
  }
}

export default [
  handle(getInstanceState, async (services, { params, query }) => {
    const record = await services.instances.actions.get(query.project, params.name);
    const { actions } = services.instances;
    return sync(await actions.fullState(record, actions.state(record.id)));
  }),
  handle(putInstanceState, async (services, { params, query, body, caller }) => {
    const { actions } = services.instances;
    const record = await actions.get(query.project, params.name);
    assertAllowed(actions.state(record.id), body.action);
    return background(services.operations.start({
      description: DESCRIPTIONS[body.action],
      project: query.project,
      resources: { instances: [record.name] },
      caller,
      run: ({ signal }) => perform(services, record, body, { caller, signal }),
    }));
  }),
  handle(putInstances, async (services, { query, body, caller }) => {
    const { state } = body;
    if (state === undefined) throw new Fault("bad_request", "No state given");
    const { actions } = services.instances;
    const all = await actions.list(query.project);
    const fitting = all.filter((record) => fits(actions.state(record.id), state.action));
    return background(services.operations.start({
      description: DESCRIPTIONS[state.action],
      project: query.project,
      resources: { instances: fitting.map((record) => record.name) },
      caller,
      run: async ({ signal }) => {
        const failures: string[] = [];
        await Promise.all(fitting.map(async (record) => {
          try {
            await perform(services, record, state, { caller, signal });
          } catch (error) {
            failures.push(`${record.name}: ${messageOf(error)}`);
          }
        }));
        if (failures.length > 0) {
          throw new Fault("bad_request", `Some instances failed: ${failures.join("; ")}`);
        }
      },
    }));
  }),
] satisfies BoundRoute[];

/** Instances that are in the wanted state already are left alone. */
function fits(...[state, action]: Parameters<typeof assertAllowed>): boolean {
  try {
    assertAllowed(state, action);
    return true;
  } catch {
    return false; // Ignored: nothing to do for it.
  }
}
