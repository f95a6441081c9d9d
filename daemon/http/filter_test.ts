import assert from "node:assert/strict";
import fc from "fast-check";
import { parseFilter } from "./filter.ts";

const WEB = {
  name: "web",
  status: "Running",
  type: "container",
  status_code: 103,
  ephemeral: false,
  architecture: "",
  config: { "user.role": "web server", "limits.memory": "1GiB", "image.os": "Debian" },
  devices: { eth0: { type: "nic", network: "lxdbr0" } },
  profiles: ["default"],
};

const holds = (text: string) => parseFilter(text)(WEB);

Deno.test("parseFilter() compares fields of any kind by their text", () => {
  assert.ok(holds("name eq web"));
  assert.ok(!holds("name eq we"));
  assert.ok(holds("name ne db"));
  assert.ok(holds("status_code eq 103"));
  assert.ok(holds("ephemeral eq false"));
  assert.ok(holds('architecture eq ""'));
});

Deno.test("parseFilter() reaches config keys and devices through dots", () => {
  assert.ok(holds("config.user.role eq 'web server'"));
  assert.ok(holds('config.image.os eq "Debian"'));
  assert.ok(holds("devices.eth0.network eq lxdbr0"));
  assert.ok(!holds("devices.eth1.network eq lxdbr0"));
});

Deno.test("parseFilter() compares by pattern over the whole text in any case, as LXD does", () => {
  assert.ok(holds("status eq RUNNING"));
  assert.ok(!holds("status ne running"));
  assert.ok(holds("name eq ^w"));
  assert.ok(holds("name eq b$"));
  assert.ok(holds("name eq w.*"));
  assert.ok(holds("name ne d.*"));
  assert.ok(!holds("name eq e"));
  assert.ok(!holds("name eq ("), "no pattern: only equality counts");
});

Deno.test("parseFilter() binds not before and before or, and parentheses first", () => {
  assert.ok(holds("name eq web or name eq db and status eq Stopped"));
  assert.ok(!holds("(name eq web or name eq db) and status eq Stopped"));
  assert.ok(holds("not name eq db and status eq Running"));
  assert.ok(!holds("not (name eq web and status eq Running)"));
  assert.ok(holds("not not name eq web"));
});

Deno.test("parseFilter() takes words in any case", () => {
  assert.ok(holds("NOT name EQ db AND status NE Stopped"));
});

Deno.test("parseFilter() holds an absent field for empty", () => {
  assert.ok(holds("nothing ne x"));
  assert.ok(!holds("config.nothing eq x"));
  assert.ok(!holds("config.constructor eq x"));
  assert.ok(!parseFilter("name eq web")(undefined));
});

Deno.test("parseFilter() says what is wrong", () => {
  const wrong: Record<string, RegExp> = {
    "": /a field expected at the end/,
    "name": /eq or ne expected/,
    "name eq": /a value expected/,
    "name is web": /"is" is no operator/,
    "(name eq web": /parenthesis/,
    "name eq web x": /"x" is not expected/,
    "name eq web and": /a field expected/,
    "name eq web) ": /"\)" is not expected/,
  };
  for (const [text, message] of Object.entries(wrong)) {
    assert.throws(() => parseFilter(text), { kind: "bad_request", message }, text);
  }
});

Deno.test("parseFilter() returns or faults at once on any text", () => {
  const word = fc.constantFrom(
    "name",
    "eq",
    "ne",
    "and",
    "or",
    "not",
    "(",
    ")",
    '"a b"',
    "(a+)+$",
    "'",
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.array(word).map((words) => words.join(" "))), (text) => {
      try {
        assert.equal(typeof parseFilter(text)(WEB), "boolean");
      } catch (error) {
        assert.equal((error as Error).name, "Fault");
      }
    }),
  );
});

Deno.test("parseFilter() survives deep nesting and slow patterns", () => {
  assert.throws(() => parseFilter("(".repeat(100_000)), { name: "Fault" });
  assert.throws(() => parseFilter(`${"not ".repeat(100_000)}name eq web`), { name: "Fault" });
  for (const pattern of ["(a+)+b", "(a|a)*b", "(?:a*){9}b", "a*a*a*a*a*a*b", "(a*)\\1\\1\\1b"]) {
    const slow = parseFilter(`name eq '${pattern}'`);
    const started = performance.now();
    slow({ name: "a".repeat(200) });
    assert.ok(performance.now() - started < 200, pattern);
  }
});
