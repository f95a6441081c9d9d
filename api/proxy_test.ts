import assert from "node:assert/strict";
import { proxyFor, proxyFromEnv } from "./proxy.ts";

const SETTINGS = { https: "http://proxy:3128", http: "", ignoreHosts: "" };
const find = (url: string, more: Partial<typeof SETTINGS> = {}) =>
  proxyFor(new URL(url), { ...SETTINGS, ...more })?.href;

Deno.test("proxyFor() uses the proxy of the scheme, never for this machine itself", () => {
  assert.equal(find("https://images.example/a"), "http://proxy:3128/");
  assert.equal(find("http://images.example/a"), undefined);
  assert.equal(find("https://a.example", { https: "proxy:1" }), "http://proxy:1/");
  for (const own of ["https://localhost:1", "https://127.0.0.1", "https://[::1]:2"]) {
    assert.equal(find(own), undefined);
  }
});

Deno.test("proxyFor() leaves out ignored hosts, their subdomains and networks", () => {
  const cases: [string, string, boolean][] = [
    ["https://a.example", "example", true],
    ["https://a.example", ".example", true],
    ["https://a.example", "other, a.example:443", true],
    ["https://badexample", "example", false],
    ["https://10.1.2.3", "10.0.0.0/8", true],
    ["https://11.1.2.3", "10.0.0.0/8", false],
    ["https://a.example", "*", true],
  ];
  for (const [url, ignoreHosts, isIgnored] of cases) {
    assert.equal(find(url, { ignoreHosts }) === undefined, isIgnored, `${url} ${ignoreHosts}`);
  }
});

Deno.test("proxyFor() refuses a proxy that speaks something else", () => {
  assert.throws(() => find("https://a.example", { https: "socks5://x" }), /invalid proxy address/);
});

Deno.test("proxyFromEnv() reads the names in upper and lower case", () => {
  const env: Record<string, string> = { https_proxy: "a:1", NO_PROXY: "b" };

  assert.deepEqual(proxyFromEnv((name) => env[name]), { https: "a:1", http: "", ignoreHosts: "b" });
});
