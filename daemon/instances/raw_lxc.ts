/** raw.lxc: would liblxc read it? Asked before anything changes, so that nobody is left with a broken start. */
import { Fault, LxcError } from "#base/errors.ts";
import { hostPath } from "#base/brand.ts";
import { Container } from "#ffi/liblxc/container.ts";
import type { Config } from "./record.ts";

/**
 * @param before The lines that were accepted already: they are not asked about again.
 * @throws {Fault} bad_request
 */
export async function checkRawLxcLoads(config: Config, before: Config): Promise<void> {
  const text = config["raw.lxc"] ?? "";
  if (text === "" || text === before["raw.lxc"]) return;
  const folder = await Deno.makeTempDir({ prefix: "lxd-raw-" });
  try {
    const file = hostPath(`${folder}/lxc.conf`);
    await Deno.writeTextFile(file, text.endsWith("\n") ? text : `${text}\n`, { mode: 0o600 });
    using _container = new Container("raw", hostPath(folder), file);
  } catch (error) {
    if (!(error instanceof LxcError)) throw error;
    throw new Fault("bad_request", "Config parsing error: liblxc does not accept raw.lxc", {
      cause: error,
      hint: "lxc.container.conf(5) lists the keys and their values.",
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
