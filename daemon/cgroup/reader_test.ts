import assert from "node:assert/strict";
import { CgroupReader } from "./reader.ts";

/** Other test files of this process open and close theirs meanwhile. */
function openBelow(folder: string): number {
  const targets = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ""; // Ignored: that of the list itself.
    }
  });
  return targets.filter((target) => target.startsWith(folder)).length;
}

Deno.test("CgroupReader says what the file says now, and closes it", async () => {
  const folder = await Deno.makeTempDir();
  const write = (text: string) => Deno.writeTextFile(`${folder}/pids.current`, text);
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
  assert.equal(openBelow(folder), 1);
  reader[Symbol.dispose]();

  assert.equal(reader.text("pids", "pids.current"), "");
  assert.equal(openBelow(folder), 0);
  await Deno.remove(folder, { recursive: true });
});
