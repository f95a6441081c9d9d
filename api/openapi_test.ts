import { openapi, openapiText } from "./openapi.ts";
import { route } from "./route.ts";
import { boolean, object, optional, string } from "./schema.ts";
import assert from "node:assert/strict";

const ROW = route({
  method: "POST",
  path: "/1.0/things/{name}/parts/{part}",
  summary: "Make a part",
  access: "trusted",
  reply: "operation",
  query: object({ force: optional(boolean()) }),
  body: object({ title: string() }, { ignored: ["created_at"] }),
  extension: "thing_parts",
});

// deno-lint-ignore no-explicit-any
const document = (...rows: (typeof ROW)[]) => openapi(rows) as any;

Deno.test("openapi() has the parameters of path and query, the body and the replies of a row", () => {
  const { post } = document(ROW).paths[ROW.path];

  const places = post.parameters.map((one: { name: string; in: string; $ref?: string }) =>
    one.$ref ?? `${one.in} ${one.name}`
  );
  assert.deepEqual(places.slice(0, 2), ["path name", "path part"]);
  assert.ok(places.includes("#/components/parameters/project"));
  assert.ok(places.includes("query force"));
  assert.deepEqual(post.requestBody.content["application/json"].schema.required, ["title"]);
  assert.deepEqual(Object.keys(post.responses), ["202", "default"]);
  assert.deepEqual([post.tags, post["x-lxd-extension"]], [["things"], "thing_parts"]);
});

Deno.test("openapi() leaves out what is internal", () => {
  const internal = { ...ROW, path: "/internal/x" } as unknown as typeof ROW;

  assert.deepEqual(document(internal).paths, {});
});

Deno.test("openapiText() says nothing of ignored fields", () => {
  assert.ok(!openapiText([ROW]).includes("created_at"));
});
