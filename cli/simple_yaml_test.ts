import assert from "node:assert/strict";
import fc from "fast-check";
import { parseYaml } from "#api/yaml.ts";
import { toYaml } from "./output/yaml.ts";
import { parseSimpleYaml } from "./simple_yaml.ts";

const CONFIG = `default-remote: local
remotes:
  images:
    addr: https://images.linuxcontainers.org
    protocol: simplestreams
    public: true
  # a comment
  local:
    addr: unix://
aliases:
  i ls: image list
  ll: 'list -c "ns"'
  config show: config show --expanded
empty: {}
`;

Deno.test("parseSimpleYaml() reads a config.yml as the real parser does", () => {
  assert.deepEqual(parseSimpleYaml(CONFIG), parseYaml(CONFIG));
  assert.deepEqual(parseSimpleYaml("aliases: {}\n"), { aliases: {} });
});

Deno.test("parseSimpleYaml() takes back what toYaml() writes, or says that it can't", () => {
  const text = fc.string({ maxLength: 12 });
  const config = fc.dictionary(text, fc.oneof(text, fc.dictionary(text, text, { minKeys: 1 })));
  fc.assert(fc.property(config, (value) => {
    const yaml = toYaml(value);
    const read = parseSimpleYaml(yaml);
    if (read !== undefined) assert.deepEqual({ ...read }, parseYaml(yaml) ?? {});
  }));
});

for (
  const text of [
    "a: [1, 2]",
    "a:\n- b",
    "a: |\n  text",
    "a: text\n  folded",
    "a: &x 1",
    "a: *x",
    "a: b: c",
    "a: b # comment",
    "a: {b: c}",
    "? a\n: b",
    "a: 1\na: 2",
    "just a text",
    "a: 'b\n  c'",
    "  a: 1\nb: 2",
  ]
) {
  Deno.test(`parseSimpleYaml() leaves ${JSON.stringify(text)} to the real parser`, () => {
    assert.equal(parseSimpleYaml(text), undefined);
  });
}
