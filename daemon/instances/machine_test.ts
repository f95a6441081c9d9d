import assert from "node:assert/strict";
import { pid } from "#base/brand.ts";
import { type Action, assertAllowed, type Change, type RunState, statusOf } from "./machine.ts";

const ids = { pid: pid(7), monitor: pid(6) };
const STATES: RunState[] = [
  { status: "stopped" },
  { status: "starting" },
  { status: "running", ...ids },
  { status: "frozen", ...ids },
  { status: "stopping", ...ids },
  { status: "error", reason: "x" },
];
const allowed = (action: Action | Change) =>
  STATES.filter((state) => {
    try {
      assertAllowed(state, action);
      return true;
    } catch {
      return false;
    }
  }).map((state) => state.status);

Deno.test("assertAllowed() lets only what fits happen", () => {
  assert.deepEqual(allowed("start"), ["stopped", "error"]);
  assert.deepEqual(allowed("stop"), ["starting", "running", "frozen", "stopping", "error"]);
  assert.deepEqual(allowed("freeze"), ["running", "stopping"]);
  assert.deepEqual(allowed("unfreeze"), ["frozen"]);
  assert.deepEqual(allowed("delete"), ["stopped", "error"]);
  assert.deepEqual(allowed("rename"), ["stopped", "error"]);
});

Deno.test("assertAllowed() says why in LXD's words", () => {
  assert.throws(
    () => assertAllowed({ status: "running", ...ids }, "start"),
    /^Fault: The instance is already running$/,
  );
  assert.throws(
    () => assertAllowed({ status: "running", ...ids }, "delete"),
    /Instance is running/,
  );
});

Deno.test("statusOf() is the API's status", () => {
  assert.deepEqual(statusOf({ status: "frozen", ...ids }), { status: "Frozen", status_code: 110 });
});
