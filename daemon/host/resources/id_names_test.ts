import { HostFiles } from "./host_files.ts";
import { IdNames, pciNames } from "./id_names.ts";
import assert from "node:assert/strict";

const names = new IdNames([
  "# 1234  in a comment",
  "0001  First",
  "\t00ab  Its product",
  "",
  "\t00ac  Another",
  "\t\t0002 00ab  Of a subsystem",
  "0002  Second",
  "C 03  Human Interface Device",
  "\t01  Boot Interface Subclass",
].join("\n"));

Deno.test("IdNames finds a vendor, and a product of that vendor only", () => {
  assert.equal(names.vendor("0001"), "First");
  assert.equal(names.product("0001", "00ab"), "Its product");
  assert.equal(names.product("0001", "00ac"), "Another");
  assert.equal(names.product("0002", "00ab"), "");
  assert.equal(names.vendor("1234"), "");
  assert.equal(names.vendor(""), "");
});

Deno.test("IdNames finds a class of interfaces, and a subclass of it", () => {
  assert.equal(names.className("03"), "Human Interface Device");
  assert.equal(names.subclass("03", "01"), "Boot Interface Subclass");
  assert.equal(names.subclass("03", "02"), "");
});

Deno.test("pciNames() reads a packed list where there is no other", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/usr/share/misc`, { recursive: true });
  const text = new Blob(["8086  Intel Corporation\n"]).stream();
  const packed = new Response(text.pipeThrough(new CompressionStream("gzip")));
  await Deno.writeFile(`${root}/usr/share/misc/pci.ids.gz`, await packed.bytes());

  assert.equal((await pciNames(new HostFiles(root))).vendor("8086"), "Intel Corporation");
  await Deno.remove(root, { recursive: true });
});
