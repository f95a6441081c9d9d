import {
  array,
  boolean,
  devicesMap,
  integer,
  map,
  object,
  oneOf,
  optional,
  string,
} from "#api/schema.ts";
import assert from "node:assert/strict";
import { validate } from "./validate.ts";

const Schema = object({
  name: string(),
  size: optional(integer({ min: 1, max: 9 })),
  stateful: optional(boolean()),
  kind: optional(oneOf("image", "copy")),
  profiles: optional(array(string())),
  devices: optional(devicesMap()),
  source: optional(object({ alias: optional(string()) })),
  limits: optional(map(integer())),
}, { ignored: ["created_at"] });

const refuses = (body: unknown, message: RegExp) =>
  assert.throws(() => validate(Schema, body), { name: "Fault", kind: "bad_request", message });

Deno.test("validate() passes what fits, and drops read-only fields", () => {
  const body = { name: "c1", devices: { root: { type: "disk" } }, source: { alias: "a" } };

  assert.deepEqual(validate(Schema, { ...body, created_at: "now" }), body);
});

Deno.test("validate() drops the envelope of a reply that is sent back", () => {
  const reply = { type: "sync", status: "Success", status_code: 200, metadata: { name: "old" } };

  assert.deepEqual(validate(Schema, { ...reply, name: "c1" }), { name: "c1" });
  refuses({ type: "sync", name: "c1" }, /unknown field "type"/);
});

Deno.test("validate() takes null for absence, and for an empty text or map inside a map", () => {
  const body = {
    name: "c1",
    size: null,
    profiles: null,
    devices: { root: { path: null }, x: null },
  };

  assert.deepEqual(validate(Schema, body), { name: "c1", devices: { root: { path: "" }, x: {} } });
});

Deno.test("validate() names the path of an unknown field and the one that was meant", () => {
  refuses({ name: "c1", source: { alais: "x" } }, /unknown field "source.alais"/);
  assert.throws(() => validate(Schema, { nam: "c1" }), { hint: 'Did you mean "name"?' });
  assert.throws(() => validate(Schema, { zzzzzz: 1 }), { hint: /^Known fields: name, size/ });
});

Deno.test("validate() names the path of a value of a wrong type", () => {
  refuses({ name: 5 }, /"name" must be a string, not 5/);
  refuses({ name: "x", stateful: "yes" }, /"stateful" must be true or false, not "yes"/);
  refuses({ name: "x", profiles: "default" }, /"profiles" must be a list/);
  refuses({ name: "x", profiles: ["a", 1] }, /"profiles\[1\]" must be a string/);
  refuses({ name: "x", devices: { root: { size: 1 } } }, /"devices.root.size" must be a string/);
  refuses({ name: "x", devices: [] }, /"devices" must be an object/);
  refuses({ name: "x", kind: "imag" }, /"kind" must be one of image, copy, not "imag"/);
  refuses({ name: "x", limits: { a: null } }, /"limits.a" must be a whole number/);
});

Deno.test("validate() holds numbers to whole ones in their range", () => {
  for (const size of [0, 10, 1.5, "1", true, {}]) refuses({ name: "x", size }, /"size" must be/);
});

Deno.test("validate() misses required fields, null ones too", () => {
  refuses({}, /"name" is missing/);
  refuses({ name: null }, /"name" is missing/);
  refuses(undefined, /"name" is missing/);
});

Deno.test("validate() refuses bodies that are no objects", () => {
  for (const body of [[], "text", 5, true]) refuses(body, /the body must be an object/);
});

Deno.test("validate() is not fooled by names that every object has", () => {
  refuses(JSON.parse('{"name":"x","constructor":1}'), /unknown field "constructor"/);
  refuses(JSON.parse('{"name":"x","__proto__":{"size":1}}'), /unknown field "__proto__"/);
  const made = validate(Schema, JSON.parse('{"name":"x","devices":{"__proto__":{"a":"b"}}}'));
  const { devices } = made as { devices: object };
  assert.ok(Object.hasOwn(devices, "__proto__"));
  assert.equal(Reflect.get(Object.create(devices), "a"), undefined);
});
