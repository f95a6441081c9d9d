import type { OperationObject } from "#api/envelope.ts";
import { Fault } from "#base/errors.ts";
import { Logger } from "#base/log.ts";
import assert from "node:assert/strict";
import type { Caller } from "#daemon/http/caller.ts";
import { ROOT } from "#tests/fakes/callers.ts";
import type { OperationContext, OperationStart } from "./operation.ts";
import { createOperations, maySee } from "./registry.ts";

function open() {
  const events: OperationObject[] = [];
  const logged: string[] = [];
  const operations = createOperations({
    events: {
      lifecycle: () => {},
      logging: () => {},
      operation: (_project, operation) => void events.push(operation),
    },
    log: new Logger({ level: "debug", format: "text", write: (line) => void logged.push(line) }),
  });
  const start = (run: OperationStart["run"], more: Partial<OperationStart> = {}) =>
    operations.start({
      description: "Testing",
      project: "default",
      caller: ROOT,
      ...(run ? { run } : {}),
      ...more,
    });
  return { operations, start, events, logged };
}

const untilAborted = ({ signal }: OperationContext) =>
  new Promise<void>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

Deno.test("an operation runs at once and ends with what its work returns", async () => {
  const { operations, start } = open();
  const work = Promise.withResolvers<Record<string, unknown>>();
  const operation = start(() => work.promise, { metadata: { before: 1 } });
  assert.deepEqual(operation.render().status_code, 103);
  assert.equal(operations.get(operation.id), operation);

  work.resolve({ after: 2 });
  await operation.done;

  const { status, status_code, metadata, err, may_cancel, location } = operation.render();
  assert.deepEqual([status, status_code, err, may_cancel, location], [
    "Success",
    200,
    "",
    false,
    "none",
  ]);
  assert.deepEqual(metadata, { before: 1, after: 2 });
});

Deno.test("an operation that fails tells message and hint; only a bug is logged", async () => {
  const { start, logged } = open();
  const expected = start(() => Promise.reject(new Fault("conflict", "taken", { hint: "Wait." })));
  await expected.done;
  assert.deepEqual(logged, []);

  const bug = start(() => Promise.reject(new Error("two and two")));
  await bug.done;

  assert.deepEqual([expected.render().status_code, expected.render().err], [400, "taken (Wait.)"]);
  assert.equal(bug.render().err, "two and two");
  assert.match(logged.join(""), /operation failed.*two and two/);
});

Deno.test("an operation sends an event at each step, with its metadata", async () => {
  const { start, events } = open();
  const operation = start(({ progress }) => {
    progress({ download_progress: "50%" });
    return Promise.resolve({ fingerprint: "ab" });
  });
  await operation.done;

  assert.deepEqual(events.map(({ status }) => status), ["Running", "Running", "Success"]);
  assert.deepEqual(events.at(-1)?.metadata, { download_progress: "50%", fingerprint: "ab" });
  assert.ok(events.every(({ id }) => id === operation.id));
});

Deno.test("cancel aborts the work of an operation that allows it, once", async () => {
  const { operations, start } = open();
  const operation = start(untilAborted, { cancellable: true });
  assert.equal(operation.render().may_cancel, true);

  operations.cancel(operation.id);
  assert.equal(operation.render().status, "Cancelling");
  await operation.done;

  assert.deepEqual([operation.render().status, operation.render().status_code], ["Cancelled", 401]);
  assert.throws(() => operations.cancel(operation.id), { kind: "bad_request", message: /running/ });
});

Deno.test("cancel is refused where half of the work would be worse than all of it", () => {
  const { operations, start } = open();
  const work = Promise.withResolvers<void>();
  const task = start(() => work.promise);

  assert.throws(() => operations.cancel(task.id), { kind: "bad_request" });

  assert.equal(task.render().may_cancel, false);
  work.resolve();
});

Deno.test("a token lives until it is cancelled", async () => {
  const { operations, start } = open();
  const token = start(undefined, { class: "token", metadata: { secret: "s" } });
  assert.deepEqual([token.render().class, token.render().status], ["token", "Running"]);

  operations.cancel(token.id);
  await token.done;

  assert.equal(token.render().status, "Cancelled");
});

Deno.test("resources are URLs without a project; instances are containers too", () => {
  const { start } = open();
  const resources = { instances: ["web"], storage_volumes: ["v"] };

  const inDefault = start(() => Promise.resolve(), { resources }).render();
  const elsewhere = start(() => Promise.resolve(), { resources, project: "a b" }).render();

  assert.deepEqual(inDefault.resources, {
    instances: ["/1.0/instances/web"],
    containers: ["/1.0/containers/web"],
    storage_volumes: ["/1.0/storage_volumes/v"],
  });
  assert.deepEqual(elsewhere.resources["instances"], ["/1.0/instances/web"]);
});

Deno.test("operations are listed by project, and unknown ones are not found", () => {
  const { operations, start } = open();
  const one = start(() => Promise.resolve());
  const other = start(() => Promise.resolve(), { project: "blue" });

  assert.deepEqual(operations.list(), [one, other]);
  assert.deepEqual(operations.list("blue"), [other]);
  assert.throws(() => operations.get("nothing"), { kind: "not_found" });
  const guest: Caller = {
    protocol: "tls",
    fingerprint: "f",
    address: "a",
    username: "f",
    trusted: true,
    projects: ["blue"],
  };
  assert.deepEqual([one, other].map((operation) => maySee(operation, guest)), [false, true]);
});

Deno.test("drain cancels what can be, waits for the rest, and no longer than told", async () => {
  const { operations, start } = open();
  const work = Promise.withResolvers<void>();
  const cancellable = start(untilAborted, { cancellable: true });
  const slow = start(() => work.promise);
  const stuck = operations.drain(20);
  await stuck;
  assert.equal(cancellable.render().status, "Cancelled");
  assert.equal(slow.render().status, "Running");

  const drained = operations.drain(10_000);
  work.resolve();
  await drained;

  assert.equal(slow.render().status, "Success");
});
