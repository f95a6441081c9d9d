import assert from "node:assert/strict";
import { corsHeaders } from "./cors.ts";

const CONFIG = {
  "core.https_allowed_origin": "https://ui.example",
  "core.https_allowed_methods": "GET, POST",
  "core.https_allowed_credentials": "true",
};

Deno.test("corsHeaders() says what is configured, to requests of a page", () => {
  assert.deepEqual(corsHeaders(CONFIG, "https://ui.example"), {
    "Access-Control-Allow-Origin": "https://ui.example",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Credentials": "true",
  });
});

Deno.test("corsHeaders() says nothing to others, or when nothing is configured", () => {
  assert.deepEqual(corsHeaders(CONFIG, undefined), {});
  assert.deepEqual(corsHeaders({}, "https://ui.example"), {});
  assert.deepEqual(corsHeaders({ "core.https_allowed_credentials": "false" }, "https://a"), {});
});
