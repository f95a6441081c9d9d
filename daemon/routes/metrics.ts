/** Metrics for Prometheus. */
import { getMetrics } from "#api/routes/server.ts";
import { type BoundRoute, handle } from "#daemon/http/handle.ts";

/** Scrapers come together: they share an answer for a while. */
const KEPT_MS = 1000;

/** Kept for a second: two scrapers cost no more than one. */
export function metricsRoutes(): BoundRoute[] {
  const kept = new Map<string, { at: number; text: Promise<string> }>();
  return [
    handle(getMetrics, async (services, { request }) => {
      const given = new URL(request.url ?? "/", "http://lxd").searchParams.get("project") ?? "";
      let found = kept.get(given);
      if (found === undefined || Date.now() - found.at > KEPT_MS) {
        const project = given === "" ? undefined : given;
        found = { at: Date.now(), text: services.instances.actions.metrics(project) };
        kept.clear();
        kept.set(given, found);
      }
      const text = await found.text;
      return {
        kind: "raw",
        send: (response) => {
          response.setHeader("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
          response.end(text);
          return Promise.resolve();
        },
      };
    }),
  ];
}
