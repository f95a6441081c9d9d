import assert from "node:assert/strict";
import { SocketUnreachable } from "#api/transport.ts";
import { messageOf } from "./failure.ts";

Deno.test("messageOf: the group that may use the socket is named", async () => {
  const path = await Deno.makeTempFile();
  const rows = (await Deno.readTextFile("/etc/group")).split("\n").map((row) => row.split(":"));
  const [name = "", , id = ""] = rows.find(([name]) => name !== "root" && name !== "") ?? [];
  const denied = () => messageOf(new SocketUnreachable(path, new Deno.errors.PermissionDenied()));
  try {
    assert.equal(denied(), "cannot reach the daemon: only root may use its socket");
    await Deno.chown(path, null, Number(id));
    assert.match(denied(), new RegExp(`its group "${name}" may \\(usermod -aG ${name} USER`));
  } finally {
    await Deno.remove(path);
  }
});
