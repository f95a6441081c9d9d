import assert from "node:assert/strict";
import { renderMetrics } from "./metrics.ts";

Deno.test("renderMetrics() groups samples under their titles and escapes labels", () => {
  const labels = { project: "default", name: 'a"\\\n' };
  const text = renderMetrics([
    { name: "lxd_procs_total", labels, value: 3 },
    { name: "lxd_cpu_seconds_total", labels: { cpu: "0", mode: "user" }, value: 1.5 },
    { name: "lxd_procs_total", labels: {}, value: 4 },
  ]);

  assert.equal(
    text,
    [
      "# HELP lxd_cpu_seconds_total CPU time used, in seconds.",
      "# TYPE lxd_cpu_seconds_total counter",
      'lxd_cpu_seconds_total{cpu="0",mode="user"} 1.5',
      "# HELP lxd_procs_total Processes and threads.",
      "# TYPE lxd_procs_total gauge",
      'lxd_procs_total{name="a\\"\\\\\\n",project="default"} 3',
      "lxd_procs_total{} 4",
      "# EOF",
      "",
    ].join("\n"),
  );
});

Deno.test("renderMetrics() has nothing but its end where nothing runs", () => {
  assert.equal(renderMetrics([]), "# EOF\n");
});
