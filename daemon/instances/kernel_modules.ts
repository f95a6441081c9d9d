/** linux.kernel_modules: what the kernel of the host is to have before the instance uses it. */
import { Fault } from "#base/errors.ts";
import { exists } from "#daemon/host/files.ts";
import type { Config } from "./record.ts";

/**
 * Load those that are not loaded.
 *
 * @param modules The kernel's list of modules: one without modules has built in what it has.
 * @throws {Fault} bad_request naming the module.
 */
export async function loadModules(config: Config, modules = "/proc/modules"): Promise<void> {
  const names = (config["linux.kernel_modules"] ?? "").split(",");
  if (!await exists(modules)) return;
  for (const name of names.map((one) => one.trim()).filter((one) => one !== "")) {
    if (isLoaded(name)) continue;
    const { success } = await new Deno.Command("modprobe", {
      args: ["--", name],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) {
      throw new Fault("bad_request", `Failed to load kernel module "${name}"`, {
        hint: "Unset linux.kernel_modules if the module is built into the kernel.",
      });
    }
  }
}

function isLoaded(module: string): boolean {
  try {
    return Deno.statSync(`/sys/module/${module.replaceAll("-", "_")}`).isDirectory;
  } catch {
    return false; // Ignored: then modprobe decides.
  }
}
