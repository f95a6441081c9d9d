import assert from "node:assert/strict";
import { CgroupReader } from "./reader.ts";

const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;

Deno.test("CgroupReader says what the file says now, and closes it", async () => {
  const folder = await Deno.makeTempDir();
  const write = (text: string) => Deno.writeTextFile(`${folder}/pids.current`, text);
  const before = openFiles();
  const reader = new CgroupReader(new Map([["pids", folder]]));

  assert.equal(reader.number("pids", "pids.current"), 0);
  await write("7\n");
  assert.equal(reader.number("pids", "pids.current"), 7);
  await write("12\n");
  assert.equal(reader.number("pids", "pids.current"), 12);
  await write("max\n");
  assert.equal(reader.number("pids", "pids.current"), 0);
  assert.equal(reader.text("pids", "pids.current"), "max\n");
  assert.equal(reader.text("memory", "memory.usage_in_bytes"), "");
  assert.equal(openFiles(), before + 1);
  reader[Symbol.dispose]();

  assert.equal(reader.text("pids", "pids.current"), "");
  assert.equal(openFiles(), before);
  await Deno.remove(folder, { recursive: true });
});
