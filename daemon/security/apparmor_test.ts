import assert from "node:assert/strict";
import { appArmorProfile, denyBut, profileName } from "./apparmor.ts";

const input = { name: "lxd-c1_</var/lib/lxd>", config: {}, isPrivileged: false };

Deno.test("profileName() is unique for each state directory, and never too long", () => {
  assert.equal(profileName("c1", "/var/lib/lxd", () => "x"), "lxd-c1_</var/lib/lxd>");
  assert.equal(profileName("c1", "/x".repeat(130), () => "abc"), "lxd-abc");
});

/** Which of the paths a deny rule of denyBut matches, by its globs as regular expressions. */
function denied(rules: readonly string[], path: string): boolean {
  return rules.some((rule) => {
    const glob = /^deny (\S+) /.exec(rule)?.[1] ?? "";
    const pattern = glob.replaceAll(/\{,\/\*\*\}|\?\*|\[\^[^\]]+\]|\*|\./g, (match) => {
      if (match === "{,/**}") return "(/.*)?";
      if (match === "?*") return "[^/]+";
      if (match === "*") return "[^/]*";
      return match === "." ? "\\." : match;
    });
    return new RegExp(`^${pattern}$`).test(path);
  });
}

Deno.test("denyBut() denies everything but the allowed paths", () => {
  const rules = denyBut("/p", ["net", "kernel/hostname", "kernel/sem"]);

  for (const path of ["/p/net", "/p/net/ipv4/x", "/p/kernel/hostname", "/p/kernel/sem"]) {
    assert.equal(denied(rules, path), false, path);
  }
  for (
    const path of ["/p/n", "/p/nets", "/p/vm/x", "/p/ne", "/p/kernel/core_pattern", "/p/kernel/s"]
  ) {
    assert.equal(denied(rules, path), true, path);
  }
});

Deno.test("appArmorProfile() leaves mounts to the user namespace, or lists them one by one", () => {
  const free = appArmorProfile(input);
  const strict = appArmorProfile({ ...input, isPrivileged: true });

  assert.match(free, /^ {2}mount,$/m);
  assert.doesNotMatch(strict, /^ {2}mount,$/m);
  assert.match(strict, /^ {2}mount fstype=proc -> \/proc\/,$/m);
  for (const text of [free, strict]) {
    assert.match(text, /^profile "lxd-c1_<\/var\/lib\/lxd>" flags=/m);
    assert.match(text, /^ {2}deny \/proc\/sysrq-trigger rwklx,$/m);
    assert.doesNotMatch(text, /change_profile/);
  }
});

Deno.test("appArmorProfile() opens nesting, and ends with raw.apparmor", () => {
  const config = { "security.nesting": "true", "raw.apparmor": "deny /x w,\ndeny /y w," };

  const text = appArmorProfile({ ...input, config, isPrivileged: true });

  assert.match(text, /^ {2}mount,$/m);
  assert.match(text, /^ {2}change_profile -> \*\*,$/m);
  assert.match(text, /raw\.apparmor\n {2}deny \/x w,\n {2}deny \/y w,\n\}\n$/);
});
