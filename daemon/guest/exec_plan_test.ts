import assert from "node:assert/strict";
import type { InstanceExecPost } from "#api/routes/instance_exec.ts";
import { planExec } from "./exec_plan.ts";

const PLAIN = { config: {}, hasSnaps: false, isNixos: false };

Deno.test("planExec() gives root its home, a language and where programs are", () => {
  const { environment, cwd, user, group } = planExec({ command: ["env"] }, PLAIN);

  assert.deepEqual(environment, {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    USER: "root",
    LANG: "C.UTF-8",
  });
  assert.deepEqual([cwd, user, group], ["/root", 0, 0]);
});

Deno.test("planExec() knows no home of other users", () => {
  const { environment, cwd } = planExec({ command: ["env"], user: 1000, group: 5 }, PLAIN);

  assert.deepEqual([environment["HOME"], environment["USER"], cwd], [undefined, undefined, "/"]);
});

Deno.test("planExec() takes the request before the configuration, and both before defaults", () => {
  const config = { "environment.A": "config", "environment.PATH": "/config", "user.x": "y" };
  const body = { command: ["x"], environment: { A: "request", HOME: "/srv" } };

  const { environment, cwd } = planExec(body, { ...PLAIN, config });

  assert.deepEqual([environment["A"], environment["PATH"], cwd], ["request", "/config", "/srv"]);
});

Deno.test("planExec() adds the places of snaps and of NixOS", () => {
  const path = (more: object) =>
    planExec({ command: ["x"] }, { ...PLAIN, ...more }).environment["PATH"];

  assert.match(path({ hasSnaps: true }) ?? "", /:\/bin:\/snap\/bin$/);
  assert.equal(path({ isNixos: true }), "/run/current-system/sw/bin");
});

Deno.test("planExec() refuses what no program can get", () => {
  const bad: readonly InstanceExecPost[] = [
    { command: [] },
    { command: [""] },
    { command: ["a\0b"] },
    { command: ["a"], cwd: "/\0" },
    { command: ["a"], environment: { "": "x" } },
    { command: ["a"], environment: { "a=b": "x" } },
    { command: ["a"], environment: { a: "\0" } },
    { command: ["a", "x".repeat(131072)] },
    { command: ["a", "\u20ac".repeat(50_000)] },
    { command: ["a"], environment: { a: "x".repeat(131070) } },
    { command: Array.from({ length: 30 }, () => "x".repeat(100_000)) },
  ];
  for (const body of bad) {
    assert.throws(() => planExec(body, PLAIN), { kind: "bad_request" }, JSON.stringify(body));
  }
});
