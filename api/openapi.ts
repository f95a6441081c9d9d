/** The API as an OpenAPI document, derived from the rows of the route table. Pure. */
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import type { Access, ReplyKind, RouteRow } from "./route.ts";
import type { Schema } from "./schema.ts";

const ACCESS: Readonly<Record<Access, string>> = {
  anyone: "Anyone; untrusted callers get the public view.",
  trusted: "Clients of the unix socket or with a trusted certificate, within their projects.",
  admin: "Clients of the unix socket or with a trusted certificate that is not restricted.",
  local: "Only through the unix socket.",
  metrics:
    "As admin, or with a certificate for metrics; anyone if core.metrics_authentication=false.",
};

const COMMON_QUERY = [
  ["project", "string", "Project; default if absent"],
  ["target", "string", "Cluster member"],
  ["recursion", "integer", "0: addresses, 1: objects, 2: objects with their state"],
  ["filter", "string", "Expression that chooses among the objects of a list"],
  ["all-projects", "boolean", "A list over all projects"],
] as const;

const COMMON_PARAMETERS = Object.fromEntries(
  COMMON_QUERY.map(([name, type, description]) => [
    name,
    { name, in: "query", description, schema: { type } },
  ]),
);

/** @param rows Routes that are served; those of the program's own tools are left out. */
export function openapi(rows: readonly RouteRow[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const row of rows) {
    if (row.path.startsWith("/internal")) continue;
    (paths[row.path] ??= {})[row.method.toLowerCase()] = operationOf(row);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "LXD API",
      version: "1.0",
      description: `API 1.0 as of LXD ${LXD_COMPAT_VERSION}, as this server serves it. ` +
        "Paths below /1.0/instances also answer below /1.0/containers.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "https://localhost:8443" }],
    paths,
    components: { schemas: ENVELOPES, parameters: COMMON_PARAMETERS },
  };
}

const reference = (name: keyof typeof ENVELOPES) => ({ $ref: `#/components/schemas/${name}` });

const ENVELOPES = {
  Operation: {
    type: "object",
    description: "What runs in the background: wait for it, watch it, cancel it.",
    properties: {
      type: { const: "async" },
      status: { type: "string" },
      status_code: { const: 100 },
      operation: { type: "string", description: "/1.0/operations/<id>" },
      metadata: { type: "object" },
    },
  },
  Error: {
    type: "object",
    properties: {
      type: { const: "error" },
      error: { type: "string", description: "What is wrong, and what to do" },
      error_code: { type: "integer", description: "The HTTP status" },
    },
  },
} as const;

function operationOf(row: RouteRow): object {
  return {
    operationId: `${row.method} ${row.path}`.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/_$/, ""),
    summary: row.summary,
    description: ACCESS[row.access],
    tags: [row.path.split("/")[2] ?? "server"],
    parameters: [...pathParameters(row.path), ...queryParameters(row)],
    ...(row.body !== undefined || row.stream === true) && { requestBody: bodyOf(row) },
    responses: {
      ...responseOf(row.reply, row.metadata),
      default: { description: "Refused or failed", content: json(reference("Error")) },
    },
    ...row.extension !== undefined && { "x-lxd-extension": row.extension },
  };
}

const json = (schema: unknown) => ({ "application/json": { schema } });

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(row: RouteRow): object[] {
  const own: Record<string, Schema> = row.query?.["properties"] ?? {};
  const required: readonly string[] = row.query?.["required"] ?? [];
  return [
    ...COMMON_QUERY.filter(([name]) => !(name in own)).map(([name]) => ({
      $ref: `#/components/parameters/${name}`,
    })),
    ...Object.entries(own).map(([name, schema]) => ({
      name,
      in: "query",
      required: required.includes(name),
      schema,
    })),
  ];
}

function bodyOf(row: RouteRow): object {
  return {
    content: {
      ...row.body !== undefined && json(row.body),
      ...row.stream === true && { "application/octet-stream": {} },
    },
  };
}

function responseOf(reply: ReplyKind, metadata: Schema | undefined): object {
  switch (reply) {
    case "sync":
      return {
        "200": {
          description: "Done",
          content: json({
            type: "object",
            properties: {
              type: { const: "sync" },
              status: { type: "string" },
              status_code: { type: "integer" },
              metadata: metadata ?? {},
            },
          }),
        },
      };
    case "operation":
      return { "202": { description: "Started", content: json(reference("Operation")) } };
    case "raw":
      return { "200": { description: "Contents", content: { "application/octet-stream": {} } } };
    case "upgrade":
      return { "101": { description: "The connection becomes a websocket or a raw stream" } };
  }
}

/** As text. Fields that a body may have and that are ignored are no business of the document. */
export function openapiText(rows: readonly RouteRow[]): string {
  const text = JSON.stringify(
    openapi(rows),
    (key, value) => key === "ignored" ? undefined : value,
    1,
  );
  return `${text}\n`;
}
