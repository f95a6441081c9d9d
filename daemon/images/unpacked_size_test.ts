import { hostPath } from "#base/brand.ts";
import { unpackedBytes } from "./unpacked_size.ts";
import assert from "node:assert/strict";

/** A tree that compresses well, with a large file that has a second name. */
async function inTree(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/tree/rootfs`, { recursive: true });
    await Deno.writeFile(`${folder}/tree/rootfs/big`, new Uint8Array(3_000_000).fill(7));
    await Deno.link(`${folder}/tree/rootfs/big`, `${folder}/tree/rootfs/same`);
    await Deno.writeTextFile(`${folder}/tree/metadata.yaml`, "x: y\n");
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const PACKERS: Readonly<Record<string, string>> = {
  none: "tar -cf out -C tree .",
  gzip: "tar -cf - -C tree . | gzip >out",
  xz: "tar -cf - -C tree . | xz -T2 >out",
  lzma: "tar -cf tar -C tree . && xz --format=lzma <tar >out",
  zstd: "tar -cf tar -C tree . && zstd -q tar -o out",
  bzip2: "tar -cf - -C tree . | bzip2 >out",
  squashfs: "mksquashfs tree out -quiet >/dev/null",
};

/** The compressed file itself is all that these say. */
const SILENT = ["lzma", "bzip2"];

for (const [format, command] of Object.entries(PACKERS)) {
  Deno.test(`unpackedBytes() of ${format} is what comes out, or less`, async () => {
    await inTree(async (folder) => {
      await new Deno.Command("sh", { args: ["-ec", command], cwd: folder }).output();
      const { size } = await Deno.stat(`${folder}/out`);

      const bytes = await unpackedBytes(hostPath(`${folder}/out`));

      assert.ok(bytes < 3_050_000, `${bytes}`);
      assert.ok(bytes >= (SILENT.includes(format) ? size : 3_000_000), `${bytes}`);
    });
  });
}
