import assert from "node:assert/strict";
import { parseYaml } from "#api/yaml.ts";
import { applyOverrides, type Devices, givenOf, parseOverrides } from "./body.ts";

Deno.test("givenOf() reads types as the API wants them", () => {
  const given = givenOf(parseYaml(`
config:
  limits.cpu: 2
  security.privileged: true
devices:
  root: {type: disk, path: /, pool: default}
ephemeral: true
profiles: [a, b]
description: hello
`));

  assert.deepEqual(given, {
    config: { "limits.cpu": "2", "security.privileged": "true" },
    devices: { root: { type: "disk", path: "/", pool: "default" } },
    ephemeral: true,
    profiles: ["a", "b"],
    description: "hello",
  });
});

Deno.test("givenOf() refuses what is no map", () => {
  assert.throws(() => givenOf(parseYaml("- a\n- b\n")), /must be a YAML map/);
  assert.throws(() => givenOf(parseYaml("just text")), /must be a YAML map/);
  assert.deepEqual(givenOf(parseYaml("# nothing\n")), {});
});

Deno.test("parseOverrides() gathers the keys of each device", () => {
  const overrides = parseOverrides(["root,size=1GiB", "eth0,ipv4.address=10.0.0.2", "root,a=b=c"]);

  assert.deepEqual([...overrides], [
    ["root", { size: "1GiB", a: "b=c" }],
    ["eth0", { "ipv4.address": "10.0.0.2" }],
  ]);
});

for (const text of ["root", "root,size", ",size=1", "root=1"]) {
  Deno.test(`parseOverrides() refuses ${text}`, () => {
    assert.throws(() => parseOverrides([text]), {
      name: "UsageError",
      message: `Bad device override syntax, expecting <device>,<key>=<value>: ${text}`,
    });
  });
}

Deno.test("applyOverrides() copies a device of a profile before it changes it", () => {
  const inherited: Devices = { root: { type: "disk", path: "/" } };
  const devices: Devices = { eth0: { type: "nic" } };

  applyOverrides(devices, parseOverrides(["root,size=1GiB", "eth0,mtu=9000"]), inherited);

  assert.deepEqual(devices, {
    eth0: { type: "nic", mtu: "9000" },
    root: { type: "disk", path: "/", size: "1GiB" },
  });
  assert.deepEqual(inherited, { root: { type: "disk", path: "/" } });
});
