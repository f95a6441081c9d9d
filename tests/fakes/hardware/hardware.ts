/** The made-up host as files, for a reader with a root of its own or a daemon of tests/world. */
import { must } from "#tests/world/run.ts";
import { MACHINE, REPLACED } from "./machine.ts";
import { writeTree } from "./tree.ts";

export class MadeUpHardware implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async make(): Promise<MadeUpHardware> {
    const root = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-hardware." });
    await writeTree(root, MACHINE);
    // Where it is laid over the host's by overlayfs, these hide what is there.
    for (const path of REPLACED) {
      await must(["setfattr", "-n", "trusted.overlay.opaque", "-v", "y", `${root}/${path}`]);
    }
    return new MadeUpHardware(root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}
