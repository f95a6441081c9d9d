import assert from "node:assert/strict";
import { parseProxyHeader } from "./proxy_header.ts";

const parse = (text: string) => parseProxyHeader(new TextEncoder().encode(text));

Deno.test("parseProxyHeader() says whom the proxy speaks for, and where the header ends", () => {
  const v4 = "PROXY TCP4 192.0.2.1 198.51.100.2 1234 8443\r\n";
  const v6 = "PROXY TCP6 2001:db8::1 2001:db8::2 1234 8443\r\n";

  assert.deepEqual(parse(v4), { length: v4.length, client: "192.0.2.1:1234" });
  assert.deepEqual(parse(`${v4}\x16\x03`), { length: v4.length, client: "192.0.2.1:1234" });
  assert.deepEqual(parse(v6), { length: v6.length, client: "[2001:db8::1]:1234" });
  assert.deepEqual(parse("PROXY UNKNOWN\r\n"), { length: 15, client: "unknown" });
});

Deno.test("parseProxyHeader() waits for the rest, and knows a connection without a header", () => {
  for (const start of ["", "P", "PROXY", "PROXY TCP4 192.0.2.1 198", "PROXY TCP4 1.2.3.4\r"]) {
    assert.equal(parse(start), "more", start);
  }
  assert.equal(parse("\x16\x03\x01"), "none");
  assert.equal(parse("PUT / HTTP/1.1\r\n"), "none");
});

Deno.test("parseProxyHeader() refuses what is no address, port or family, and what has no end", () => {
  for (
    const line of [
      "PROXY TCP4 a 198.51.100.2 1234 8443",
      "PROXY TCP4 2001:db8::1 2001:db8::2 1234 8443",
      "PROXY TCP6 192.0.2.1 198.51.100.2 1234 8443",
      "PROXY TCP4 192.0.2.1 198.51.100.2 70000 8443",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1234 x",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1234",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1234 8443 1",
      "PROXY UDP4 192.0.2.1 198.51.100.2 1234 8443",
      "PROXY ",
      `PROXY UNKNOWN ${"x".repeat(100)}`,
    ]
  ) assert.equal(parse(`${line}\r\n`), "invalid", line);
});
