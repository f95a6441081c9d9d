import type { EventObject } from "#api/envelope.ts";
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Caller } from "#daemon/http/caller.ts";
import { ROOT } from "#tests/fakes/callers.ts";
import { createEvents, type EventBus, type Listener } from "./event_bus.ts";

const GUEST: Caller = {
  protocol: "tls",
  fingerprint: "f",
  address: "192.0.2.1:5",
  username: "f",
  trusted: true,
  projects: ["blue"],
};

/** The two calls of a socket that the bus makes; tests/kernel/api_test.ts has the real one. */
class Socket extends EventEmitter {
  readonly frames: EventObject[] = [];
  bufferedAmount = 0;
  terminated = false;
  send(frame: string): void {
    this.frames.push(JSON.parse(frame));
  }
  terminate(): void {
    this.terminated = true;
    this.emit("close");
  }
}

function listen(bus: EventBus, options: Partial<Omit<Listener, "socket">> = {}): Socket {
  const socket = new Socket();
  const types = ["operation", "lifecycle", "logging"];
  bus.listen({ project: "default", types, caller: ROOT, ...options, socket: socket as never });
  return socket;
}

const created = (project = "default") =>
  ({ action: "instance-created", source: "/1.0/instances/web", project, caller: GUEST }) as const;
const LOG = {
  time: new Date(0),
  level: "info",
  message: "hello",
  fields: { n: 1, s: "x" },
} as const;

Deno.test("a lifecycle event says what, where, and who asked from which address", () => {
  const bus = createEvents();
  const { frames } = listen(bus);

  bus.lifecycle(created());

  const { type, metadata, location, project } = frames[0] as EventObject;
  assert.deepEqual([type, location, project], ["lifecycle", "none", "default"]);
  assert.deepEqual(metadata, {
    action: "instance-created",
    source: "/1.0/instances/web",
    context: {},
    requestor: { username: "f", protocol: "tls", address: "192.0.2.1:5" },
  });
});

Deno.test("a listener gets its types and its project, and what belongs to none", () => {
  const bus = createEvents();
  const lifecycle = listen(bus, { types: ["lifecycle"] });
  const blue = listen(bus, { project: "blue" });
  const all = listen(bus, { project: undefined });

  bus.lifecycle(created());
  bus.lifecycle(created("blue"));
  bus.lifecycle({ action: "config-updated", source: "/1.0", project: "" });
  bus.logging(LOG);

  assert.equal(lifecycle.frames.length, 2);
  assert.deepEqual(blue.frames.map(({ project }) => project), ["blue", "", ""]);
  assert.equal(all.frames.length, 4);
});

Deno.test("a restricted caller hears nothing of other projects, and no log", () => {
  const bus = createEvents();
  const { frames } = listen(bus, { project: undefined, caller: GUEST });

  bus.lifecycle(created());
  bus.lifecycle(created("blue"));
  bus.operation("default", { id: "x", metadata: { fds: { "0": "secret" } } } as never);
  bus.logging(LOG);

  assert.deepEqual(frames.map(({ project }) => project), ["blue"]);
});

Deno.test("a log record becomes an event of texts", () => {
  const bus = createEvents();
  const { frames } = listen(bus);

  bus.logging(LOG);

  assert.equal(frames[0]?.timestamp, "1970-01-01T00:00:00Z");
  assert.deepEqual(frames[0]?.metadata, {
    level: "info",
    message: "hello",
    context: { n: "1", s: "x" },
  });
});

Deno.test("a listener that can't follow is dropped, and one that closed is forgotten", () => {
  const bus = createEvents();
  const slow = listen(bus);
  const closed = listen(bus);
  slow.bufferedAmount = 2 ** 30;
  closed.emit("close");

  bus.lifecycle(created());

  assert.deepEqual([slow.terminated, slow.frames.length, closed.frames.length], [true, 0, 0]);
});
