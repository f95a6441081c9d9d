/** Handlers behind a real HTTP server on a unix socket. */
import { route } from "#api/route.ts";
import { integer, object, optional, string } from "#api/schema.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { Logger } from "#base/log.ts";
import { ROOT } from "#tests/fakes/callers.ts";
import assert from "node:assert/strict";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Caller } from "./caller.ts";
import { etagOf } from "./etag.ts";
import { type BoundRoute, created, handle, sync } from "./handle.ts";
import { list } from "./list.ts";
import { listenUnix } from "./listeners.ts";
import { createRouter } from "./router.ts";
import { createHandlers } from "./server.ts";

const STRANGER: Caller = {
  protocol: "tls",
  address: "192.0.2.1:5",
  username: "",
  trusted: false,
  projects: [],
};
const GUEST: Caller = {
  protocol: "tls",
  fingerprint: "ab",
  address: "192.0.2.1:5",
  username: "ab",
  trusted: true,
  projects: ["blue"],
};

const THINGS = [{ name: "a", size: 1 }, { name: "b", size: 2 }];
const access = (path: string, access: "anyone" | "trusted" | "admin" | "local") =>
  handle(route({ method: "GET", path, summary: "", access, reply: "sync" }), () => sync());

const ROUTES: readonly BoundRoute[] = [
  handle(
    route({ method: "GET", path: "/1.0/things", summary: "", access: "trusted", reply: "sync" }),
    (_services, call) => list(call, THINGS, ({ name }) => `/1.0/things/${name}`),
  ),
  handle(
    route({
      method: "GET",
      path: "/1.0/things/{name}",
      summary: "",
      access: "trusted",
      reply: "sync",
    }),
    (_services, { params }) => sync({ name: params.name }, { etag: THINGS }),
  ),
  handle(
    route({
      method: "PUT",
      path: "/1.0/things/{name}",
      summary: "",
      access: "trusted",
      reply: "sync",
      body: object({ name: optional(string()), size: optional(integer()) }),
    }),
    (_services, call) => {
      call.ifMatch(THINGS);
      return sync(call.body);
    },
  ),
  handle(
    route({ method: "POST", path: "/1.0/things", summary: "", access: "trusted", reply: "sync" }),
    () => created("/1.0/things/new"),
  ),
  handle(
    route({ method: "GET", path: "/1.0/query", summary: "", access: "trusted", reply: "sync" }),
    (_services, { query }) => sync(query),
  ),
  handle(
    route({ method: "GET", path: "/1.0/bug", summary: "", access: "trusted", reply: "sync" }),
    () => {
      throw new Error("bug: two and two");
    },
  ),
  handle(
    route({ method: "GET", path: "/1.0/fault", summary: "", access: "trusted", reply: "sync" }),
    () => {
      throw new Fault("conflict", "it exists", { hint: "Take another." });
    },
  ),
  handle(
    route({ method: "GET", path: "/1.0/whoami", summary: "", access: "anyone", reply: "sync" }),
    (_services, { caller }) => sync({ trusted: caller.trusted }),
  ),
  access("/1.0/resources", "trusted"),
  access("/1.0/open", "anyone"),
  access("/1.0/admin", "admin"),
  access("/internal/local", "local"),
];

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

interface Options {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

interface World extends AsyncDisposable {
  caller: Caller;
  refusal: string | undefined;
  readonly logged: string[];
  ask(path: string, options?: Options): Promise<Answer>;
}

async function open(): Promise<World> {
  const folder = await Deno.makeTempDir();
  const socketPath = `${folder}/socket`;
  const logged: string[] = [];
  const handlers = createHandlers({
    router: createRouter(ROUTES),
    services: {} as never,
    log: new Logger({ level: "error", format: "text", write: (line) => void logged.push(line) }),
    identify: () => Promise.resolve(world.caller),
    refusal: () => world.refusal,
  });
  const listener = await listenUnix(socketPath, 0, handlers);
  const world: World = {
    caller: ROOT,
    refusal: undefined,
    logged,
    ask: (path, options = {}) => ask(socketPath, path, options),
    async [Symbol.asyncDispose]() {
      await listener.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return world;
}

function ask(socketPath: string, path: string, { body, ...options }: Options): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request({ socketPath, path, agent: false, ...options }, async (response) => {
    let text = "";
    for await (const chunk of response) text += chunk;
    resolve({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: response.headers["content-type"] === "application/json" ? JSON.parse(text) : undefined,
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}

const put = (body: string, headers: Record<string, string> = {}): Options => ({
  method: "PUT",
  body,
  headers: { "content-type": "application/json", ...headers },
});

Deno.test("a sync reply has LXD's envelope, every field in its place", async () => {
  await using world = await open();

  const { status, headers, body } = await world.ask("/1.0/things/x");

  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers.etag, `"${etagOf(THINGS)}"`);
  assert.equal(headers["x-lxd-authenticated"], "true");
  assert.equal(
    JSON.stringify(body),
    '{"type":"sync","status":"Success","status_code":200,"operation":"","error_code":0,"error":"",' +
      '"metadata":{"name":"x"}}',
  );
});

Deno.test("a reply with a location is 201", async () => {
  await using world = await open();

  const { status, headers, body } = await world.ask("/1.0/things", { method: "POST" });

  assert.deepEqual([status, headers.location, body.metadata], [201, "/1.0/things/new", {}]);
});

Deno.test("a list is URLs, or objects with recursion, and filtered", async () => {
  await using world = await open();
  const metadata = async (query: string) => (await world.ask(`/1.0/things${query}`)).body.metadata;

  assert.deepEqual(await metadata(""), ["/1.0/things/a", "/1.0/things/b"]);
  assert.deepEqual(await metadata("?recursion=1"), THINGS);
  assert.deepEqual(await metadata("?filter=size%20eq%202"), ["/1.0/things/b"]);
  assert.deepEqual(await metadata("?recursion=2&filter=name%20ne%20b"), [THINGS[0]]);
  assert.equal((await world.ask("/1.0/things?filter=x")).status, 400);
});

Deno.test("query parameters have their defaults and bounds", async () => {
  await using world = await open();
  const query = async (text: string) => (await world.ask(`/1.0/query${text}`)).body.metadata;

  assert.deepEqual(await query(""), { project: "default", recursion: 0, allProjects: false });
  const { project, recursion, allProjects } = await query(
    "?project=p&recursion=9&all-projects=true",
  );
  assert.deepEqual([project, recursion, allProjects], ["p", 2, true]);
  assert.equal((await query("?recursion=x")).recursion, 0);
});

Deno.test("a failure is an error envelope with the status of its kind", async () => {
  await using world = await open();

  const { status, body } = await world.ask("/1.0/fault");

  assert.equal(status, 409);
  assert.deepEqual(body, {
    type: "error",
    status: "",
    status_code: 0,
    operation: "",
    error_code: 409,
    error: "it exists (Take another.)",
    metadata: null,
  });
  assert.deepEqual(world.logged, []);
});

Deno.test("a bug is 500, and its stack is in the log", async () => {
  await using world = await open();

  const { status, body } = await world.ask("/1.0/bug");

  assert.deepEqual([status, body.error_code], [500, 500]);
  assert.match(world.logged.join(""), /two and two.*server_test/s);
});

Deno.test("unknown paths are 404, unknown methods 501, escapes that are none 400", async () => {
  await using world = await open();

  assert.equal((await world.ask("/1.0/nothing")).status, 404);
  assert.equal((await world.ask("/1.0/things/x", { method: "DELETE" })).status, 501);
  assert.equal((await world.ask("/1.0/things/")).status, 200);
  assert.equal((await world.ask("/1.0/things/%zz")).status, 400);
  assert.equal((await world.ask("//")).status, 404);
  assert.equal((await world.ask("*", { method: "OPTIONS" })).status, 400);
  assert.equal((await world.ask("http://anyhost/1.0/things")).status, 200);
});

Deno.test("a body is parsed, and refused with the path of what is wrong", async () => {
  await using world = await open();

  assert.deepEqual((await world.ask("/1.0/things/x", put('{"size":3}'))).body.metadata, {
    size: 3,
  });
  for (
    const [text, message] of [
      ['{"size":"3"}', /"size" must be a whole number/],
      ['{"sise":3}', /unknown field "sise".*size/],
      ["{", /not valid JSON/],
      ["[]", /the body must be an object/],
    ] as const
  ) {
    const { status, body } = await world.ask("/1.0/things/x", put(text));
    assert.equal(status, 400);
    assert.match(body.error, message);
  }
});

Deno.test("a body beyond the bound is refused with 413", async () => {
  await using world = await open();
  const fits = JSON.stringify({ name: "x".repeat(LIMITS.jsonBodyBytes - 20) });
  const large = JSON.stringify({ name: "x".repeat(LIMITS.jsonBodyBytes) });

  assert.equal((await world.ask("/1.0/things/x", put(fits))).status, 200);
  const { status } = await world.ask("/1.0/things/x", put(large));

  assert.equal(status, 413);
});

Deno.test("If-Match of another state is refused with 412", async () => {
  await using world = await open();
  const status = async (tag: string) =>
    (await world.ask("/1.0/things/x", put("{}", { "if-match": tag }))).status;

  assert.equal(await status(`"${etagOf(THINGS)}"`), 200);
  assert.equal(await status("0".repeat(64)), 412);
});

Deno.test("each access level lets in whom it names", async () => {
  await using world = await open();
  const statuses = async (caller: Caller) => {
    world.caller = caller;
    const paths = [
      "/1.0/open?project=blue",
      "/1.0/things?project=blue",
      "/1.0/admin?project=blue",
      "/internal/local?project=blue",
    ];
    return await Promise.all(paths.map(async (path) => (await world.ask(path)).status));
  };

  assert.deepEqual(await statuses(ROOT), [200, 200, 200, 200]);
  assert.deepEqual(await statuses(STRANGER), [200, 403, 403, 403]);
  assert.deepEqual(await statuses(GUEST), [200, 200, 403, 403]);
  assert.deepEqual(await statuses({ ...GUEST, projects: "all" }), [200, 200, 200, 403]);
});

Deno.test("a stranger learns no more from what isn't there", async () => {
  await using world = await open();
  world.caller = STRANGER;

  const { status, headers } = await world.ask("/1.0/open");
  const claimed = await world.ask("/1.0/open", { headers: { "x-lxd-authenticated": "true" } });

  assert.deepEqual([status, headers["x-lxd-authenticated"]], [200, undefined]);
  assert.equal(claimed.status, 403);
});

Deno.test("a restricted caller stays in its projects, the default one is no exception", async () => {
  await using world = await open();
  world.caller = GUEST;
  const status = async (path: string) => (await world.ask(path)).status;

  assert.equal(await status("/1.0/query?project=blue"), 200);
  assert.equal(await status("/1.0/query?project=red"), 403);
  assert.equal(await status("/1.0/query"), 403);
  assert.equal(await status("/1.0/resources"), 200);
  assert.equal(await status("/1.0/resources?project=red"), 403);
});

Deno.test("a restricted caller is a stranger in other projects, where strangers are let in", async () => {
  await using world = await open();
  world.caller = GUEST;
  const trusted = async (path: string) => (await world.ask(path)).body.metadata.trusted;

  assert.equal(await trusted("/1.0/whoami?project=blue"), true);
  assert.equal(await trusted("/1.0/whoami"), false);
});

Deno.test("while it is refused, only internal requests are served", async () => {
  await using world = await open();
  world.refusal = "the daemon is shutting down";

  assert.equal((await world.ask("/1.0/things")).status, 503);
  assert.equal((await world.ask("/internal/local")).status, 200);
});

Deno.test("an upgrade where there is none is refused, and the server goes on", async () => {
  await using world = await open();
  const headers = { connection: "Upgrade", upgrade: "websocket" };

  assert.equal((await world.ask("/1.0/things", { headers })).status, 400);
  assert.equal((await world.ask("/1.0/nothing", { headers })).status, 404);

  assert.equal((await world.ask("/1.0/things")).status, 200);
});

Deno.test("headers beyond the bound end the request, not the server", async () => {
  await using world = await open();
  const headers = { "x-large": "x".repeat(LIMITS.headerBytes * 2) };

  await world.ask("/1.0/things", { headers }).catch(() => undefined);

  assert.equal((await world.ask("/1.0/things")).status, 200);
});

Deno.test("a second daemon on the socket is refused, a stale socket is replaced", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  const handlers = {} as never;
  const first = await listenUnix(path, 0, handlers);

  await assert.rejects(listenUnix(path, 0, handlers), { kind: "conflict", hint: /LXD_DIR/ });
  assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o660);
  await first.close();
  Deno.writeTextFileSync(path, "");
  const second = await listenUnix(path, 0, handlers);

  await second.close();
  await Deno.remove(folder, { recursive: true });
});
