/** Warnings: what the server noticed and an administrator should know. */
import { route } from "#api/route.ts";
import { integer, object, oneOf, optional, string } from "#api/schema.ts";

export const getWarnings = route({
  method: "GET",
  path: "/1.0/warnings",
  summary: "List warnings",
  access: "admin",
  reply: "sync",
  extension: "warnings",
});
export const getWarning = route({
  method: "GET",
  path: "/1.0/warnings/{uuid}",
  summary: "Show a warning",
  access: "admin",
  reply: "sync",
  extension: "warnings",
});

const WarningPut = object({ status: oneOf("new", "acknowledged") }, {
  ignored: [
    "uuid",
    "location",
    "project",
    "type",
    "count",
    "first_seen_at",
    "last_seen_at",
    "last_message",
    "severity",
    "entity_url",
  ],
});

export const putWarning = route({
  method: "PUT",
  path: "/1.0/warnings/{uuid}",
  summary: "Acknowledge a warning, or make it new again",
  access: "admin",
  reply: "sync",
  body: WarningPut,
  extension: "warnings",
});
export const patchWarning = route({ ...putWarning, method: "PATCH" });
export const deleteWarning = route({
  method: "DELETE",
  path: "/1.0/warnings/{uuid}",
  summary: "Forget a warning",
  access: "admin",
  reply: "sync",
  extension: "warnings",
});

export const internalWarningsPost = route({
  method: "POST",
  path: "/internal/testing/warnings",
  summary: "Raise a warning, for tests",
  access: "local",
  reply: "sync",
  body: object({
    type_code: integer(),
    message: optional(string()),
    project: optional(string()),
    location: optional(string()),
    entity_type_code: optional(integer()),
    entity_id: optional(integer()),
  }),
});
