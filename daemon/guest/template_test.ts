import assert from "node:assert/strict";
import { renderTemplate, type TemplateContext } from "./template.ts";

const config: Record<string, string> = { "user.user-data": "#cloud-config\nx: 1" };
const context: TemplateContext = {
  path: "/etc/hostname",
  trigger: "create",
  container: { name: "c1", privileged: "false" },
  instance: { name: "c1", ephemeral: false },
  config,
  properties: { default: "fallback" },
  config_get: (key, otherwise = "") => config[key] ?? otherwise,
};
const render = (source: string) => renderTemplate(source, context);

Deno.test("renderTemplate() fills in names", () => {
  assert.equal(render("{{ container.name }}\n"), "c1\n");
});

Deno.test("renderTemplate() calls config_get with a default", () => {
  assert.equal(
    render('{{ config_get("user.user-data", properties.default) }}'),
    config["user.user-data"],
  );
  assert.equal(render('{{ config_get("user.none", properties.default) }}'), "fallback");
});

Deno.test("renderTemplate() follows if, elif and else", () => {
  const source = '{% if config_get("user.none", "") == "" %}no{% else %}yes{% endif %}';

  assert.equal(render(source), "no");
  assert.equal(render("{% if not instance.ephemeral and trigger %}a{% endif %}"), "a");
  assert.equal(
    render('{% if trigger == "copy" %}1{% elif trigger == "create" %}2{% endif %}'),
    "2",
  );
});

Deno.test("renderTemplate() loops over keys and values", () => {
  assert.equal(
    render("{% for k, v in container %}{{ k }}={{ v }};{% endfor %}"),
    "name=c1;privileged=false;",
  );
});

Deno.test("renderTemplate() applies filters", () => {
  assert.equal(render('{{ container.missing|default:"x"|upper }}'), "X");
});

Deno.test("renderTemplate() drops comments and keeps other braces", () => {
  assert.equal(render("a{# no #}b { c }"), "ab { c }");
});

Deno.test("renderTemplate() sees no property that is not in the context", () => {
  for (
    const source of [
      "{{ container.constructor }}",
      "{{ constructor }}",
      "{{ container.__proto__.constructor }}",
      "{{ config_get.constructor }}",
    ]
  ) assert.equal(render(source), "");
});

Deno.test("renderTemplate() refuses what it does not know, naming the line", () => {
  assert.throws(() => render("a\n{% include 'x' %}"), /line 2.*include/);
  assert.throws(() => render("{{ container.name|system }}"), /unknown filter/);
  assert.throws(() => render("{{ eval('1') }}"), /no function/);
  assert.throws(() => render("{% if 1 %}"), /endif/);
});
