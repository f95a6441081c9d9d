/** The profiles of containers are what AppArmor's own parser accepts, whatever this kernel can do. */
import { appArmorProfile } from "#daemon/security/apparmor.ts";
import assert from "node:assert/strict";

const FEATURES = "/usr/share/apparmor-features/features";

async function compile(config: Record<string, string>, isPrivileged: boolean) {
  const file = Deno.makeTempFileSync({ prefix: "apparmor-" });
  const name = "lxd-c1_</var/lib/lxd>";
  Deno.writeTextFileSync(file, appArmorProfile({ name, config, isPrivileged }));
  const { success, stderr } = await new Deno.Command("apparmor_parser", {
    args: ["--skip-kernel-load", "--skip-cache", "--features-file", FEATURES, file],
  }).output();
  Deno.removeSync(file);
  return { success, words: new TextDecoder().decode(stderr) };
}

for (const isPrivileged of [false, true]) {
  for (const nesting of ["false", "true"]) {
    Deno.test(`a profile compiles, privileged ${isPrivileged}, nesting ${nesting}`, async () => {
      const config = { "security.nesting": nesting, "raw.apparmor": "deny /etc/x w," };

      assert.deepEqual(await compile(config, isPrivileged), { success: true, words: "" });
    });
  }
}

Deno.test("the parser refuses a raw.apparmor that is none", async () => {
  const { success, words } = await compile({ "raw.apparmor": "nonsense here" }, false);

  assert.equal(success, false);
  assert.match(words, /syntax error/);
});
