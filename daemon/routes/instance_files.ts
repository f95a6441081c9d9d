/** Files of instances, running or stopped. */
import {
  deleteInstanceFiles,
  getInstanceFiles,
  getInstanceSftp,
  headInstanceFiles,
  postInstanceFiles,
} from "#api/routes/instance_files.ts";
import {
  entriesIn,
  linkTarget,
  makeDirectory,
  makeLink,
  openToRead,
  piecesOf,
  remove,
  statOf,
  typeOf,
  writeFile,
} from "#api/sftp/files.ts";
import { Fault } from "#base/errors.ts";
import { fileFault } from "#daemon/guest/files/fault.ts";
import { dispositionOf, fileHeaders, parseHeaders } from "#daemon/guest/files/headers.ts";
import type { FilesPool } from "#daemon/guest/files/pool.ts";
import { FilesProcess, type FilesRoot, type FilesSession } from "#daemon/guest/files/session.ts";
import { frugal } from "#daemon/host/frugal.ts";
import { readBody } from "#daemon/http/body.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { type BoundRoute, handle, type Reply, sync } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { sendReply } from "#daemon/http/render.ts";
import { diskMapOf } from "#daemon/instances/id_maps.ts";
import type { FoundInstance } from "#daemon/instances/running.ts";
import type { Services } from "#daemon/services.ts";
import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream";

const LINK_BYTES_MAX = 4096;

/** One file or folder each; whole trees go by SFTP. */
export function instanceFileRoutes(pool: FilesPool): BoundRoute[] {
  return [
    handle(getInstanceFiles, async (services, { params, query, caller }) => {
      const path = checkPath(query.path);
      const found = await services.instances.running.find(query.project, params.name);
      return {
        kind: "raw",
        send: async (response) => {
          await download({ pool, services, found, path, response });
          announce(services, { found, path, caller, what: "retrieved" });
        },
      };
    }),
    handle(headInstanceFiles, async (services, { params, query, signal }) => {
      const path = checkPath(query.path);
      const found = await services.instances.running.find(query.project, params.name);
      const stat = await withFiles(
        { pool, services, found, path, signal, action: "read" },
        (files) => statOf(files, path),
      );
      return {
        kind: "raw",
        send: (response) => {
          response.writeHead(200, fileHeaders(stat)).end();
          return Promise.resolve();
        },
      };
    }),
    handle(postInstanceFiles, async (services, { params, query, request, caller, signal }) => {
      const path = checkPath(query.path);
      const wish = parseHeaders(request.headers);
      const found = await services.instances.running.find(query.project, params.name);
      const target = wish.type === "symlink" ? await readBody(request, LINK_BYTES_MAX) : "";
      await withFiles({ pool, services, found, path, signal, action: "write" }, async (files) => {
        if (wish.type === "directory") return await makeDirectory(files, path, wish);
        if (wish.type === "symlink") return await makeLink(files, path, { target, entry: wish });
        await writeFile(files, path, { entry: wish, append: wish.append, body: frugal(request) });
      });
      announce(services, { found, path, caller, what: "pushed" });
      return sync();
    }),
    handle(deleteInstanceFiles, async (services, { params, query, caller, signal }) => {
      const path = checkPath(query.path);
      const found = await services.instances.running.find(query.project, params.name);
      const wish = { pool, services, found, path, signal, action: "delete" };
      await withFiles(wish, (files) => remove(files, path));
      announce(services, { found, path, caller, what: "deleted" });
      return sync();
    }),
    handle(getInstanceSftp, async (services, { params, query, request }) => {
      const found = await services.instances.running.find(query.project, params.name);
      if (request.headers.upgrade !== "sftp") {
        throw new Fault("bad_request", "Missing or invalid upgrade header", {
          hint: "Send Upgrade: sftp",
        });
      }
      return await raw(services, found);
    }),
  ];
}

function checkPath(path: string | undefined): string {
  if (path === undefined || path === "") throw new Fault("bad_request", "Missing path argument");
  if (path.includes("\0")) throw new Fault("bad_request", "a path can't contain a NUL character");
  return path;
}

interface FilesWish {
  readonly pool: FilesPool;
  readonly services: Services;
  readonly found: FoundInstance;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly action: string;
}

/** @throws {Fault} what the file system says. */
async function withFiles<T>(wish: FilesWish, work: (files: FilesSession) => Promise<T>) {
  const { pool, services, found, path, signal, action } = wish;
  const { pid } = found;
  try {
    if (pid !== undefined) {
      const key = `${found.record.id} ${pid}`;
      return await pool.use({ key, root: { pid }, signal }, work);
    }
    await using stopped = await openStopped(services, found);
    return await pool.once({ root: stopped.root, signal }, work);
  } catch (error) {
    throw fileFault(error, action, path);
  }
}

/** Its root on the host, and whose ids the files have there. */
async function openStopped(
  { storage }: Services,
  { volume, record }: FoundInstance,
): Promise<{ readonly root: FilesRoot } & AsyncDisposable> {
  const diskMap = diskMapOf(record.config);
  await using stack = new AsyncDisposableStack();
  const users = stack.use(diskMap === null ? null : await storage.instances.users(diskMap));
  const view = stack.use(await storage.instances.openStopped(volume));
  const held = stack.move();
  return {
    root: { directory: view.path, ...(users !== null && { users: users.fd }) },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Download {
  readonly pool: FilesPool;
  readonly services: Services;
  readonly found: FoundInstance;
  readonly path: string;
  readonly response: ServerResponse;
}

async function download({ response, ...where }: Download): Promise<void> {
  const { path } = where;
  const abort = new AbortController();
  response.once("close", () => {
    // Who has got all of it may leave at once.
    if (!response.writableFinished) abort.abort(new Fault("bad_request", "the client went away"));
  });
  const wish = { ...where, signal: abort.signal, action: "read" };
  await withFiles(wish, async (files) => {
    const stat = await statOf(files, path);
    const type = typeOf(stat);
    if (type === "directory") {
      const metadata = [...(await entriesIn(files, path)).keys()];
      return await sendReply(response, sync(metadata, { headers: fileHeaders(stat) }));
    }
    if (type === "symlink") {
      const target = await linkTarget(files, path);
      return start(response, path, fileHeaders(stat), target.length).end(target);
    }
    const opened = await openToRead(files, path);
    const { size } = opened.stat;
    // Files of /proc say 0 and have more.
    start(response, path, fileHeaders(opened.stat), size === 0 ? undefined : size);
    await sendPieces(response, piecesOf(files, opened.handle, size), size);
    await files.close(opened.handle);
  });
}

function start(
  response: ServerResponse,
  path: string,
  headers: Record<string, string>,
  size: number | undefined,
): ServerResponse {
  response.writeHead(200, {
    ...headers,
    "Content-Type": "application/octet-stream",
    "Content-Disposition": dispositionOf(path),
    ...size !== undefined && { "Content-Length": size },
  });
  return response;
}

/** Exactly as much as was announced: a file may grow or shrink meanwhile. */
async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
  size: number,
): Promise<void> {
  let left = size === 0 ? Infinity : size;
  for await (const piece of pieces) {
    const part = piece.subarray(0, left);
    left -= part.length;
    if (!response.write(part)) await drained(response);
    if (left <= 0 || response.destroyed) break;
  }
  if (left > 0 && left !== Infinity) return void response.destroy();
  response.end();
}

async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve);
  response.once("close", resolve);
  if (response.destroyed || !response.writableNeedDrain) resolve();
  await promise;
  response.removeListener("drain", resolve);
  response.removeListener("close", resolve);
}

/** The protocol itself, until one of both sides ends it. */
async function raw(services: Services, found: FoundInstance): Promise<Reply> {
  const { pid } = found;
  const stopped = pid === undefined ? await openStopped(services, found) : undefined;
  const root: FilesRoot = stopped !== undefined
    ? stopped.root
    : { pid: pid as NonNullable<typeof pid> };
  return {
    kind: "upgrade",
    accept: async (socket, head) => {
      await using _stopped = stopped;
      using server = new FilesProcess(services.helper, root);
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: sftp\r\nConnection: Upgrade\r\n\r\n",
      );
      if (head.length > 0) server.input.write(head);
      const { promise, resolve } = Promise.withResolvers<void>();
      pipeline(socket, server.input, () => {}); // The output's end is the end.
      pipeline(server.output, socket, () => resolve());
      socket.once("close", () => resolve());
      await promise;
    },
  };
}

function announce(
  services: Services,
  event: {
    readonly found: FoundInstance;
    readonly path: string;
    readonly caller: Caller;
    readonly what: "retrieved" | "pushed" | "deleted";
  },
): void {
  const { project, name } = event.found.record;
  services.events.lifecycle({
    action: `instance-file-${event.what}`,
    source: `/1.0/instances/${name}${projectSuffix(project)}`,
    project,
    caller: event.caller,
    context: { path: event.path },
  });
}
