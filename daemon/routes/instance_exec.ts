/** Run commands in instances. */
import { getInstanceExec, InstanceExecPost, postInstanceExec } from "#api/routes/instance_exec.ts";
import { guestPath, type Pid } from "#base/brand.ts";
import { SysError } from "#base/errors.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { background, type BoundRoute, handle } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { refusal } from "#daemon/http/render.ts";
import { validate } from "#daemon/http/validate.ts";
import { acceptWebsocket } from "#daemon/http/websocket.ts";
import { planExec, type Wish } from "#daemon/guest/exec_plan.ts";
import {
  assertRan,
  EXEC_SOCKETS,
  type ExecSockets,
  runSession,
} from "#daemon/guest/exec_session.ts";
import { expectMove } from "#daemon/cgroup/expect_move.ts";
import { ExecStream } from "#daemon/guest/exec_stream.ts";
import { PendingSockets } from "#daemon/guest/pending_sockets.ts";
import { type Place, Program } from "#daemon/guest/program.ts";
import { peerOf } from "#daemon/guest/streams.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { type FoundInstance, notRunning } from "#daemon/instances/running.ts";
import type { Operation, OperationContext } from "#daemon/operations/operation.ts";
import type { Services } from "#daemon/services.ts";
import { O, openPath } from "#ffi/libc/fd.ts";
import { existsInRoot } from "#ffi/libc/in_root.ts";
import type { IncomingMessage } from "node:http";

export default [
  handle(postInstanceExec, async (services, { params, query, body, caller }) => {
    expectMove();
    const found = await services.instances.running.requireRunning(query.project, params.name);
    const exec = planned(services, { found, body, caller });
    return background(body["wait-for-websocket"] === true ? onWebsockets(exec) : alone(exec));
  }),
  handle(getInstanceExec, async (services, { params, query, caller, request }) => {
    expectMove();
    const found = await services.instances.running.requireRunning(query.project, params.name);
    return {
      kind: "upgrade",
      accept: async (socket, head) => {
        const websocket = await acceptWebsocket(request, socket, head, { paused: true });
        const stream = new ExecStream(websocket, socket);
        try {
          const body = validate(InstanceExecPost, await stream.request()) as InstanceExecPost;
          await onStream(planned(services, { found, body, caller }), stream);
        } catch (error) {
          stream.tell(refusal(error));
        } finally {
          stream.end();
        }
      },
    };
  }),
] satisfies BoundRoute[];

interface Exec {
  readonly services: Services;
  readonly found: FoundInstance & { readonly pid: Pid };
  readonly wish: Wish;
  readonly body: InstanceExecPost;
  readonly caller: Caller;
}

/** @throws {Fault} bad_request */
function planned(
  services: Services,
  { found, body, caller }: Pick<Exec, "found" | "body" | "caller">,
): Exec {
  const { expandedConfig: config, name } = found.record;
  const wish = planExec(body, { config, ...lookAround(found.pid, name) });
  return { services, found, wish, body, caller };
}

function openRoot(pid: Pid, name: string) {
  try {
    return openPath(`/proc/${pid}/root`, O.PATH | O.DIRECTORY);
  } catch (error) {
    if (error instanceof SysError && error.code === "ENOENT") throw notRunning(name);
    throw error;
  }
}

function lookAround(
  pid: Pid,
  name: string,
): { readonly hasSnaps: boolean; readonly isNixos: boolean } {
  using root = openRoot(pid, name);
  const has = (path: string) => existsInRoot(root.fd, guestPath(path));
  return { hasSnaps: has("/snap"), isNixos: has("/etc/NIXOS") };
}

function placeOf({ services, found }: Exec): Place {
  const { lxcName, lxcPath } = found;
  return { server: services.programs, lxcName, lxcPath };
}

/** What both kinds of operations have in common. */
function operationOf(exec: Exec) {
  const { services, found, wish, caller } = exec;
  const { project, name } = found.record;
  services.events.lifecycle({
    action: "instance-exec",
    source: `/1.0/instances/${name}${projectSuffix(project)}`,
    project,
    caller,
    context: { command: wish.command },
  });
  return {
    description: "Executing command",
    project,
    resources: { instances: [name] },
    caller,
    cancellable: true,
  };
}

/** The program's streams on websockets that the client opens when it has heard of them. */
function onWebsockets(exec: Exec) {
  const pending = new PendingSockets(
    EXEC_SOCKETS[exec.body.interactive === true ? "interactive" : "pipes"].all,
  );
  return startSession(exec, { pending, sockets: pending, signals: [] });
}

/** They are on the connection that asked for it. Settles when its end has been told. */
async function onStream(exec: Exec, stream: ExecStream): Promise<void> {
  const ends = { pending: stream.control, sockets: stream, signals: [stream.gone] };
  const operation = startSession(exec, ends);
  stream.tell({ id: operation.id, control: stream.control.secrets.control });
  await operation.done;
  stream.tell(operation.render());
}

interface Ends {
  /** The websockets that are still to be connected. */
  readonly pending: PendingSockets;
  readonly sockets: ExecSockets;
  /** What ends the program, besides a cancel. */
  readonly signals: readonly AbortSignal[];
}

function startSession(exec: Exec, { pending, sockets, signals }: Ends): Operation {
  const { services, found, wish, body } = exec;
  const interactive = body.interactive === true;
  return services.operations.start({
    ...operationOf(exec),
    class: "websocket",
    metadata: {
      command: wish.command,
      environment: wish.environment,
      fds: pending.secrets,
      interactive,
    },
    connect: async (secret, socket, head, request) => {
      const name = pending.claim(secret);
      const websocket = await acceptWebsocket(request as IncomingMessage, socket, head, {
        paused: true,
      });
      pending.arrive(name, peerOf(websocket, socket));
    },
    run: async (context) => {
      const status = await runSession({
        place: placeOf(exec),
        wish,
        interactive,
        width: body.width ?? 0,
        height: body.height ?? 0,
        terminalUid: hostUid(found.idmap, wish.user),
        sockets,
        signal: AbortSignal.any([context.signal, ...signals]),
      });
      return ended(context, status);
    },
  });
}

/** An id without a place in the map belongs to nobody: then the terminal stays root's. */
function hostUid(idmap: IdMap | null, uid: number): number {
  if (idmap === null) return uid;
  const find = (id: number) =>
    idmap.find((one) => one.isUid && id >= one.nsId && id < one.nsId + one.size);
  const entry = find(uid);
  if (entry !== undefined) return entry.hostId + (uid - entry.nsId);
  return find(0)?.hostId ?? 0;
}

/** The exit status is told also where it makes the operation fail, or where a cancel ended the program. */
function ended({ progress, signal }: OperationContext, status: number): Record<string, unknown> {
  progress({ return: status });
  signal.throwIfAborted();
  assertRan(status);
  return { return: status };
}

/** Without websockets: the output is dropped, or goes into log files. */
function alone(exec: Exec) {
  const { services, found, wish, body } = exec;
  const { project, name } = found.record;
  return services.operations.start({
    ...operationOf(exec),
    run: async (context) => {
      const record = body["record-output"] === true;
      const files = record ? ["stdout", "stderr"].map((kind) => `exec_${context.id}.${kind}`) : [];
      const [stdout, stderr] = files.map((file) =>
        openPath(`${found.logs}/${file}`, O.WRONLY | O.CREAT | O.EXCL, 0o600)
      );
      using _stdout = stdout;
      using _stderr = stderr;
      const program = new Program({
        place: placeOf(exec),
        wish,
        terminal: false,
        fds: [null, stdout?.fd ?? null, stderr?.fd ?? null],
      });
      program.run();
      const kill = () => program.kill();
      context.signal.addEventListener("abort", kill, { once: true });
      const status = await program.ended;
      context.signal.removeEventListener("abort", kill);
      if (record) {
        const suffix = projectSuffix(project);
        const [out, err] = files.map((file) => `/1.0/instances/${name}/logs/${file}${suffix}`);
        context.progress({ output: { "1": out, "2": err } });
      }
      return ended(context, status);
    },
  });
}
