import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import { formatAddress, parseAddress, reachableAddresses } from "./address.ts";

Deno.test("parseAddress() takes LXD's forms, the default port where none is given", () => {
  const parse = (text: string) => formatAddress(parseAddress(text, 8443));

  assert.deepEqual(
    ["", ":8443", "*:1", "[::]:8443", "[::]", "::", "fe80::1", "10.0.0.1", "10.0.0.1:9", "host:1"]
      .map(parse),
    [
      ":8443",
      ":8443",
      ":1",
      "[::]:8443",
      "[::]:8443",
      "[::]:8443",
      "[fe80::1]:8443",
      "10.0.0.1:8443",
      "10.0.0.1:9",
      "host:1",
    ],
  );
});

Deno.test("parseAddress() refuses what is no address", () => {
  for (const text of ["[::1", "host:99999", "host:x", "a b", "https://host", "[x]:1"]) {
    assert.throws(() => parseAddress(text, 8443), Fault, text);
  }
});

Deno.test("reachableAddresses() is the address itself unless it is a wildcard", () => {
  assert.deepEqual(reachableAddresses({ host: "10.0.0.1", port: 1 }), ["10.0.0.1:1"]);
  assert.ok(!reachableAddresses({ host: "", port: 1 }).includes(":1"));
});
