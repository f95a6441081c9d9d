import assert from "node:assert/strict";
import { renderTemplate, type TemplateContext } from "./template.ts";

const config: Record<string, string> = { "user.user-data": "#cloud-config\nx: 1" };
const context: TemplateContext = {
  path: "/etc/hostname",
  trigger: "create",
  container: { name: "c1", privileged: "false" },
  instance: { name: "c1", ephemeral: false },
  config,
  properties: { default: "fall <b>", n: "3", list: "a,b,c" },
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
  assert.equal(render('{{ config_get("user.none", properties.default) }}'), "fall <b>");
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

/** What LXD 5.0.2 makes of them. */
const AS_LXD: Readonly<Record<string, string>> = {
  "{{ 1 + 2 * 3 }} {{ 7 / 2 }} {{ 7 % 3 }} {{ 2 ^ 3 }} {{ 1.5 + 1 }} {{ -3 }}":
    "7 3 1 8.000000 2.500000 -3",
  '{{ properties.n|integer + 1 }} {{ properties.n + 1 }} {{ "a" + "b" }}': "4 4 0",
  '{% if properties.n == 3 %}a{% endif %}{% if properties.n == "3" and properties.n > 2 %}b{% endif %}':
    "b",
  "{% if 1 < 2 and 2 >= 2 and 1 <> 2 and not (2 <= 1) %}all{% endif %}": "all",
  '{% if not "z" in "abc" %}no{% endif %}{% if "default" in properties %}key{% endif %}': "key",
  '{% for x in properties.list|split:"," %}{% if forloop.First %}F{% endif %}{{ x }}{% if not forloop.Last %},{% endif %}{% endfor %}':
    "Fa,b,c",
  "{% for k in properties %}{{ forloop.Counter }}{{ forloop.Counter0 }}{{ forloop.Revcounter0 }}:{{ k }};{% endfor %}":
    "102:default;211:list;320:n;",
  "{% for k in config.nothing %}x{% empty %}none{% endfor %}": "none",
  '{% set x = "val" %}{{ x }}{% with y="w" z=1 %}{{ y }}{{ z }}{% endwith %}{{ y }}': "valw1",
  "{% comment %} gone {{ x }} {% endcomment %}a{% verbatim %}{{ raw }}{% endverbatim %}":
    "a{{ raw }}",
  "{% ifequal 1 1 %}eq{% else %}ne{% endifequal %}{% ifnotequal 1 1 %}eq{% else %}ne{% endifnotequal %}":
    "eqne",
  '{% firstof nothing "" "third" %} {% filter upper %}abc{% endfilter %}': "third ABC",
  "{% spaceless %}<a> <b></b> </a>{% endspaceless %}{% templatetag openblock %}":
    "<a><b></b></a>{%",
  "{% autoescape on %}{{ properties.default }}{% endautoescape %} {{ properties.default }}":
    "fall &lt;b&gt; fall <b>",
  "a\n{%- if true -%}\n b\n{%- endif -%}\nc": "abc",
  '{{ properties.list|split:","|join:"-" }} {{ properties.list|split:","|last }} {{ properties.list|length }}':
    "a-b-c c 5",
  '{{ "a b"|title }} {{ "x"|add:"y" }} {{ 1|add:2 }} {{ "abc"|slice:"1:2" }} {{ "a b c"|truncatewords:2 }}':
    "A B xy 3 b a b ...",
  '{{ "hello"|center:"11" }}|{{ "x"|ljust:"4" }}|{{ "x"|rjust:"4" }}|': "   hello   |x   |   x|",
  '{{ 3.14159|floatformat:2 }} {{ 5|divisibleby:5 }} {{ "x y"|urlencode }} {{ 65|stringformat:"%05d" }}':
    "3.14 True x+y 00065",
};

Deno.test("renderTemplate() makes of tags, operators and filters what LXD does", () => {
  for (const [source, expected] of Object.entries(AS_LXD)) {
    assert.equal(render(source), expected, source);
  }
});

Deno.test("renderTemplate() ends what would take all time or memory", () => {
  const long = "x".repeat(2000);
  const loops = `{% for a in "${long}" %}{% for b in "${long}" %}{% endfor %}{% endfor %}`;
  const doubling = '{% set x = "xxxxxxxx" %}' + "{% set x = x|add:x %}".repeat(40);

  assert.throws(() => render(loops), /too long/);
  assert.throws(() => render(doubling), /too much/);
  assert.throws(() => render('{{ "x"|ljust:"999999999" }}'), /more than allowed/);
  assert.throws(() => render("{{ 1 / 0 }}"), /divides by zero/);
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
