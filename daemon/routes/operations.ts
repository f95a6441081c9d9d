/** Operations and events. */
import {
  deleteOperation,
  getEvents,
  getOperation,
  getOperations,
  operationWebsocket,
  waitOperation,
} from "#api/routes/operations.ts";
import { Fault } from "#base/errors.ts";
import { type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { acceptWebsocket } from "#daemon/http/websocket.ts";
import type { EventBus } from "#daemon/operations/event_bus.ts";
import type { LiveOperation, OperationRegistry } from "#daemon/operations/registry.ts";
import { maySee } from "#daemon/operations/registry.ts";
import type { Caller } from "#daemon/http/caller.ts";

/** The routes need more of operations and events than other parts do. */
export function operationRoutes(operations: OperationRegistry, events: EventBus): BoundRoute[] {
  const find = (id: string, caller: Caller): LiveOperation => {
    const operation = operations.get(id);
    if (!maySee(operation, caller)) throw new Fault("not_found", `Operation "${id}" not found`);
    return operation;
  };
  return [
    handle(getOperations, (_services, { query, caller }) => {
      const shown = operations.list(query.allProjects ? undefined : query.project)
        .filter((one) => maySee(one, caller));
      const groups: Record<string, unknown[]> = {};
      for (const one of shown) {
        const object = one.render();
        const group = groups[object.status.toLowerCase()] ??= [];
        group.push(query.recursion === 0 ? `/1.0/operations/${one.id}` : object);
      }
      return sync(groups);
    }),
    handle(getOperation, (_services, { params, caller }) => sync(find(params.id, caller).render())),
    handle(deleteOperation, (_services, { params, caller }) => {
      find(params.id, caller);
      operations.cancel(params.id);
      return sync();
    }),
    handle(waitOperation, async (_services, { params, query, caller, signal }) => {
      const operation = operations.get(params.id);
      if (!maySee(operation, caller) && !hasSecret(operation, query.secret)) {
        throw new Fault("not_authorized", "not authorized");
      }
      await endOrTimeout(operation, timeoutMs(query.timeout), signal);
      return sync(operation.render());
    }),
    handle(operationWebsocket, (_services, { params, query, request }) => {
      const operation = operations.get(params.id);
      const { connect } = operation.start;
      if (connect === undefined) {
        throw new Fault("bad_request", "This operation has no websocket");
      }
      const { secret } = query;
      if (secret === undefined || secret === "") {
        throw new Fault("bad_request", "Missing websocket secret");
      }
      return {
        kind: "upgrade",
        accept: async (socket, head) => await connect(secret, socket, head, request),
      };
    }),
    handle(getEvents, (_services, { query, caller, request }) => {
      const types = (query.type ?? "logging,operation,lifecycle").split(",").map((one) =>
        one.trim()
      );
      const unknown = types.find((one) => !["logging", "operation", "lifecycle"].includes(one));
      if (unknown !== undefined) {
        throw new Fault("bad_request", `"${unknown}" isn't a supported event type`);
      }
      const project = query.allProjects ? undefined : query.project;
      return {
        kind: "upgrade",
        accept: async (socket, head) => {
          const websocket = await acceptWebsocket(request, socket, head);
          events.listen({ socket: websocket, types, project, caller });
        },
      };
    }),
  ];
}

/** Sinks and sources of migrations wait with a secret of the operation. */
function hasSecret(operation: LiveOperation, secret: string | undefined): boolean {
  const metadata = operation.render().metadata ?? {};
  return secret !== undefined && Object.values(metadata).includes(secret);
}

/** undefined: no end. Timers hold 31 bits. @throws {Fault} bad_request */
function timeoutMs(text: string | undefined): number | undefined {
  const seconds = Number(text ?? -1);
  if (Number.isNaN(seconds)) throw new Fault("bad_request", `invalid timeout "${text}"`);
  return seconds < 0 ? undefined : Math.min(seconds * 1000, 2 ** 31 - 1);
}

async function endOrTimeout(
  operation: LiveOperation,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
  await Promise.race([operation.done, promise]);
  clearTimeout(timer);
}
