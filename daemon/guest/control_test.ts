import assert from "node:assert/strict";
import { parseControl } from "./control.ts";

Deno.test("parseControl() reads sizes as texts and as numbers", () => {
  const wanted = { command: "window-resize", width: 80, height: 24 };
  for (const args of [{ width: "80", height: "24" }, { width: 80, height: 24 }]) {
    assert.deepEqual(parseControl(JSON.stringify({ command: "window-resize", args })), wanted);
  }
});

Deno.test("parseControl() reads signals", () => {
  const wanted = { command: "signal", signal: 15 };
  assert.deepEqual(parseControl(`{"command":"signal","signal":15}`), wanted);
});

Deno.test("parseControl() ignores what is no message, no size and no signal", () => {
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      `"signal"`,
      "{}",
      `{"command":"signal"}`,
      `{"command":"signal","signal":0}`,
      `{"command":"signal","signal":-9}`,
      `{"command":"signal","signal":65}`,
      `{"command":"signal","signal":1.5}`,
      `{"command":"window-resize"}`,
      `{"command":"window-resize","args":null}`,
      `{"command":"window-resize","args":{"width":"-1","height":"2"}}`,
      `{"command":"window-resize","args":{"width":"65536","height":"2"}}`,
      `{"command":"reboot"}`,
    ]
  ) {
    assert.equal(parseControl(text), undefined, text);
  }
});
