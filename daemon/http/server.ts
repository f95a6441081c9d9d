/** Requests in, replies out: routing, trust, parsing, rendering, upgrades. */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { isTrue } from "#base/units.ts";
import type { Logger } from "#base/log.ts";
import type { Services } from "#daemon/services.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { isJson, readJson } from "./body.ts";
import type { Caller } from "./caller.ts";
import { mayUse } from "./caller.ts";
import { corsHeaders } from "./cors.ts";
import { checkIfMatch } from "./etag.ts";
import type { BoundRoute, Call, Reply } from "./handle.ts";
import { errorResponse, sendError, sendReply } from "./render.ts";
import type { Router } from "./router.ts";
import { refuseTarget } from "./target.ts";
import { validate } from "./validate.ts";

export interface HttpOptions {
  readonly router: Router;
  readonly services: Services;
  readonly log: Logger;
  /** Who sends this request? */
  readonly identify: (request: IncomingMessage) => Promise<Caller>;
  /** Why requests are refused now, undefined when they are served. */
  readonly refusal: () => string | undefined;
  /** The server's configuration, for the headers that pages of other origins need. */
  readonly config?: () => Promise<Readonly<Record<string, string>>>;
}

export interface HttpHandlers {
  request(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void>;
}

/** Of the API; LXD finds no others. */
const METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/** What all listeners share. A failure that is no Fault is logged and answered with 500. */
export function createHandlers(options: HttpOptions): HttpHandlers {
  return {
    async request(request, response) {
      const started = performance.now();
      let status = 0;
      try {
        const isOfPage = request.headers.origin !== undefined;
        if (isOfPage && options.config !== undefined) {
          const headers = corsHeaders(await options.config(), request.headers.origin);
          for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        }
        // What a browser asks before the request itself: the headers are the answer.
        if (request.method === "OPTIONS" && /^\/(?!internal)/.test(request.url ?? "")) {
          return void response.end();
        }
        const reply = await answer(options, request, response);
        await sendReply(response, reply);
        status = response.statusCode;
      } catch (error) {
        await readRest(request);
        status = sendError(response, error);
        if (!(error instanceof Fault)) {
          options.log.error("request failed", { url: request.url, error });
        }
      }
      const elapsedMs = Math.round((performance.now() - started) * 100) / 100;
      options.log.debug("request", { method: request.method, url: request.url, status, elapsedMs });
    },
    async upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      try {
        const reply = await answer(options, request, undefined);
        if (reply.kind !== "upgrade") {
          throw new Fault("bad_request", "this address takes no upgrade");
        }
        await reply.accept(socket, head);
      } catch (error) {
        refuseUpgrade(socket, error);
      }
    },
  };
}

/** A client that still writes hears a refusal only when what it writes is read: small bodies are. */
async function readRest(request: IncomingMessage): Promise<void> {
  const length = Number(request.headers["content-length"] ?? 0);
  if (request.complete || request.destroyed || !(length <= LIMITS.refusedBodyBytes)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(resolve, LIMITS.refusedBodyMs);
  request.once("end", resolve);
  request.once("close", resolve);
  request.resume();
  await promise;
  clearTimeout(late);
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): Promise<Reply> {
  const url = addressOf(request.url ?? "/");
  const caller = await options.identify(request);
  if (caller.trusted) response?.setHeader("X-LXD-authenticated", "true");
  const match = options.router.match(request.method ?? "GET", trimSlash(url.pathname));
  if (match === undefined) throw new Fault("not_found", "not found");
  if (match === "method" && !METHODS.includes(request.method ?? "")) {
    throw new Fault("not_found", `Method "${request.method}" not found`);
  }
  if (match === "method") {
    throw new Fault("not_implemented", `method ${request.method} is not supported here`);
  }
  const refusal = options.refusal();
  if (refusal !== undefined && !url.pathname.startsWith("/internal/")) {
    throw new Fault("unavailable", refusal);
  }
  authorize(match.route, caller, request);
  const inside = inProject(match.route, caller, projectOf(url));
  const call = await parseCall(match.route, match.params, url, request, inside);
  return await match.route.run(options.services, call);
}

/** The path is put behind a host as text: "//a/b" would be resolved to the host "a". */
function addressOf(target: string): URL {
  const text = target.startsWith("/") ? `http://lxd${target}` : target;
  if (!URL.canParse(text)) throw new Fault("bad_request", `invalid address "${target}"`);
  return new URL(text);
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function authorize(route: BoundRoute, caller: Caller, request: IncomingMessage): void {
  const { access } = route.row;
  if (access === "anyone") {
    // A client that says it is authenticated wants to hear that it is not.
    if (!caller.trusted && request.headers["x-lxd-authenticated"] !== undefined) {
      throw new Fault("not_authorized", "not authorized");
    }
    return;
  }
  const isAllowed = access === "local"
    ? caller.protocol === "unix"
    : access === "admin"
    ? caller.trusted && caller.projects === "all"
    : access === "metrics"
    ? caller.trusted ? caller.projects === "all" : caller.mayReadMetrics === true
    : caller.trusted;
  if (isAllowed) return;
  if (!caller.trusted && hasMacaroon(request)) {
    throw new Fault("not_authorized", "not authorized: macaroons are not accepted here", {
      hint: "Use a client certificate: lxc remote add NAME ADDRESS --auth-type tls",
    });
  }
  throw new Fault("not_authorized", "not authorized");
}

/** Clients of Candid say so in one of these. */
function hasMacaroon({ headers }: IncomingMessage): boolean {
  return headers["macaroons"] !== undefined || headers["bakery-protocol-version"] !== undefined ||
    /(^|;\s*)macaroon-/.test(headers.cookie ?? "");
}

function projectOf(url: URL): string {
  return url.searchParams.get("project") || "default";
}

/** What belongs to no project: handlers show of it what the caller may see. */
const PROJECTLESS =
  /^\/1\.0\/(resources|cluster|warnings|certificates|projects|operations|events|storage-pools)\b/;

/**
 * The caller as it counts in the project: a restricted one is a stranger outside of its own.
 *
 * @throws {Fault} not_authorized where strangers get nothing.
 */
function inProject({ row }: BoundRoute, caller: Caller, project: string): Caller {
  if (!caller.trusted || mayUse(caller, project) || row.path === "/" || row.path === "/1.0") {
    return caller;
  }
  const isProjectless = PROJECTLESS.test(row.path) && !row.path.includes("/volumes");
  if (isProjectless && project === "default") return caller;
  if (row.access === "anyone" && caller.protocol === "tls") {
    const { address } = caller;
    return { protocol: "tls", address, username: "", trusted: false, projects: [] };
  }
  throw new Fault("not_authorized", "not authorized");
}

async function parseCall(
  route: BoundRoute,
  params: Readonly<Record<string, string>>,
  url: URL,
  request: IncomingMessage,
  caller: Caller,
): Promise<Call<BoundRoute["row"]>> {
  const { row } = route;
  refuseTarget(row, url.searchParams.get("target") ?? "");
  const project = projectOf(url);
  const wantsBody = row.body !== undefined && !(row.stream === true && !isJson(request));
  const body = wantsBody && row.body !== undefined
    ? validate(row.body, await readJson(request))
    : undefined;
  const abort = new AbortController();
  request.once("close", () => {
    if (!request.complete) abort.abort(new Fault("bad_request", "the client went away"));
  });
  const recursion = Math.min(2, Math.max(0, Number(url.searchParams.get("recursion") ?? 0) || 0));
  return {
    params,
    query: {
      ...Object.fromEntries(url.searchParams),
      project,
      recursion,
      allProjects: isTrue(url.searchParams.get("all-projects") ?? undefined),
    },
    body,
    caller,
    request,
    signal: abort.signal,
    ifMatch: (value: unknown) => checkIfMatch(request.headers["if-match"], value),
  } as never;
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (!socket.destroyed) socket.end(errorResponse(error));
}
