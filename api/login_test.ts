import assert from "node:assert/strict";
import { loginHeaders, withoutLogin } from "./login.ts";

Deno.test("loginHeaders() says who asks, none where the URL does not", () => {
  const expected = { Authorization: `Basic ${btoa("me:se@cret")}` };
  assert.deepEqual(loginHeaders("https://me:se%40cret@host/path"), expected);
  assert.deepEqual(loginHeaders("https://host/path"), {});
});

Deno.test("withoutLogin() leaves the place alone", () => {
  assert.equal(withoutLogin("https://me:a@b@host:1/x?y=@z"), "https://host:1/x?y=@z");
  assert.equal(withoutLogin("https://host/a@b"), "https://host/a@b");
});
