import assert from "node:assert/strict";
import { prettyLine } from "./monitor.ts";

const event = (type: string, metadata: unknown) => ({
  type,
  timestamp: "2026-11-26T02:06:54.350714832Z",
  metadata,
  project: "default",
  location: "none",
});

Deno.test("prettyLine() shows a message of the log with its fields", () => {
  const metadata = { level: "warn", message: "slow start", context: { b: "two words", a: "1" } };

  const line = prettyLine(event("logging", metadata) as never);

  assert.deepEqual(line, {
    level: 3,
    text: 'time="2026-11-26T02:06:54Z" level=warning msg="slow start" a=1 b="two words"',
  });
});

Deno.test("prettyLine() shows what happened to what", () => {
  const metadata = { action: "instance-started", source: "/1.0/instances/c1" };

  assert.match(
    prettyLine(event("lifecycle", metadata) as never).text,
    /level=info msg="Action: instance-started, Source: \/1\.0\/instances\/c1"$/,
  );
});
