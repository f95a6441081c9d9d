import assert from "node:assert/strict";
import { listenForMoves } from "./move_socket.ts";

Deno.test("listenForMoves() takes the word of its group only, and leaves no socket", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/move.socket`;
  await Deno.writeTextFile(path, "of a dead daemon");

  const listening = await listenForMoves(path, 0);
  const connection = await Deno.connect({ transport: "unix", path });
  assert.equal(await connection.read(new Uint8Array(1)), null);
  connection.close();
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o660);
  listening[Symbol.dispose]();

  assert.deepEqual([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});
