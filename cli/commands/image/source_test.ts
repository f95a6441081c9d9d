import assert from "node:assert/strict";
import { tryServers } from "./source.ts";

const SERVERS = ["https://a", "https://b"].map((server) => ({ server, certificate: "x" }));

Deno.test("tryServers() takes the first address that works", async () => {
  const tried: string[] = [];

  const result = await tryServers(SERVERS, ({ server }) => {
    tried.push(server);
    return server === "https://a" ? Promise.reject(new Error("no route")) : Promise.resolve(7);
  });

  assert.deepEqual([result, tried], [7, ["https://a", "https://b"]]);
});

Deno.test("tryServers() tells the reason of each address, or the one of all", async () => {
  const failing = (reason: (server: string) => string) =>
    tryServers(SERVERS, ({ server }) => Promise.reject(new Error(reason(server))));

  await assert.rejects(failing((server) => `no route to ${server}`), {
    message: "No address of the server works:\n - https://a: no route to https://a\n" +
      " - https://b: no route to https://b",
  });
  await assert.rejects(failing(() => "it exists"), { message: "it exists" });
});
