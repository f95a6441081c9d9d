/** The console of instances: attach to it, read and clear what it said. */
import {
  deleteInstanceConsole,
  getInstanceConsole,
  postInstanceConsole,
} from "#api/routes/instance_exec.ts";
import { Fault } from "#base/errors.ts";
import { CONSOLE_SOCKETS, runConsole } from "#daemon/guest/console.ts";
import { PendingSockets } from "#daemon/guest/pending_sockets.ts";
import { peerOf } from "#daemon/guest/streams.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { background, type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { sendFile } from "#daemon/http/send_file.ts";
import { acceptWebsocket } from "#daemon/http/websocket.ts";
import type { FoundInstance } from "#daemon/instances/running.ts";
import type { Services } from "#daemon/services.ts";
import { Container } from "#ffi/liblxc/container.ts";
import type { IncomingMessage } from "node:http";

export default [
  handle(postInstanceConsole, async (services, { params, query, body, caller }) => {
    const type = body.type || "console";
    if (type !== "console") {
      throw new Fault("bad_request", `Unknown console type "${type}"`, {
        hint: "Containers have the type console.",
      });
    }
    const found = await services.instances.running.requireRunning(query.project, params.name);
    const sockets = new PendingSockets(CONSOLE_SOCKETS);
    announce(services, { found, caller, action: "instance-console" });
    return background(services.operations.start({
      class: "websocket",
      description: "Showing console",
      project: found.record.project,
      resources: { instances: [found.record.name] },
      caller,
      metadata: { fds: sockets.secrets },
      connect: async (secret, socket, head, request) => {
        const name = sockets.claim(secret);
        const websocket = await acceptWebsocket(request as IncomingMessage, socket, head, {
          paused: true,
        });
        sockets.arrive(name, peerOf(websocket, socket));
      },
      run: async ({ signal }) => {
        const { width = 0, height = 0 } = body;
        await runConsole({ ...found, width, height, sockets, signal });
      },
    }));
  }),
  handle(getInstanceConsole, async (services, { params, query, caller }) => {
    const found = await services.instances.running.find(query.project, params.name);
    return {
      kind: "raw",
      send: async (response) => {
        await sendFile(response, logOf(found), { missing: "The instance has no console log yet" });
        announce(services, { found, caller, action: "instance-console-retrieved" });
      },
    };
  }),
  handle(deleteInstanceConsole, async (services, { params, query, caller }) => {
    const found = await services.instances.running.find(query.project, params.name);
    if (found.pid !== undefined) {
      using container = new Container(found.lxcName, found.lxcPath);
      await container.consoleLog({ clear: true, read: false });
    }
    try {
      await Deno.truncate(logOf(found));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // It never ran: nothing to clear.
    }
    announce(services, { found, caller, action: "instance-console-reset" });
    return sync();
  }),
] satisfies BoundRoute[];

/** liblxc's monitor writes it, bounded, and it stays after the end. */
function logOf({ logs }: FoundInstance): string {
  return `${logs}/console.log`;
}

function announce(
  services: Services,
  event: { readonly found: FoundInstance; readonly caller: Caller; readonly action: string },
): void {
  const { project, name } = event.found.record;
  services.events.lifecycle({
    action: event.action,
    source: `/1.0/instances/${name}${projectSuffix(project)}`,
    project,
    caller: event.caller,
  });
}
