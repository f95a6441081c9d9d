import assert from "node:assert/strict";
import { coerce } from "./coerce.ts";

Deno.test("coerce() gives fields their types", () => {
  const text = { public: "yes", ephemeral: "False", restricted: null, ttl: "60", name: "1" };
  assert.deepEqual(coerce(text), {
    ...{ public: true, ephemeral: false, restricted: false, ttl: 60, name: "1" },
  });
});

Deno.test("coerce() refuses what is neither true nor false, or no number", () => {
  assert.throws(() => coerce({ public: "maybe" }), /invalid public "maybe": want true or false/);
  assert.throws(() => coerce({ ttl: "soon" }), /invalid ttl "soon": want a number/);
});
