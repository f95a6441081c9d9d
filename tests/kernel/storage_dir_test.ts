/** The driver `dir` on the file system of this machine, by overlays and by copies. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { DirDriver } from "#daemon/storage/dir/driver.ts";
import { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { buildHelper } from "./ffi_support.ts";

let helper: Promise<HostPath> | undefined;
const helperFolder = hostPath(Deno.makeTempDirSync({ prefix: "lxd-dir-helper." }));
globalThis.addEventListener("unload", () => Deno.removeSync(helperFolder, { recursive: true }));

for (const clone of ["overlay", "copy"] as const) {
  storageSuite(`dir (${clone})`, async () => {
    const base = hostPath(Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "lxd-dir." }));
    const namespaces = new UserNamespaces(await (helper ??= buildHelper(helperFolder)));
    const images = new Set<string>();
    const start = async () => {
      const driver = new DirDriver({
        root: hostPath(`${base}/pool`),
        namespaces,
        clone,
        imageExists: (fingerprint) => Promise.resolve(images.has(fingerprint)),
        onError: (what, error) => {
          throw new Error(what, { cause: error });
        },
      });
      await driver.open();
      return driver;
    };
    let driver = await start();
    return {
      driver,
      base,
      reopen: async () => driver = await start(),
      async [Symbol.asyncDispose]() {
        await driver.close();
        await namespaces.close();
        await Deno.remove(base, { recursive: true });
      },
    };
  });
}
