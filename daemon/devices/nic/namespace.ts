/**
 * The network namespace of an instance, kept by a mount: interfaces that are not virtual by themselves
 * would vanish with it, before anybody could take them out.
 */
import type { Pid } from "#base/brand.ts";
import { run } from "#daemon/host/run.ts";
import type { Device } from "#daemon/devices/device.ts";

const pathOf = ({ host, name }: Device) =>
  `${host.devicesPath()}/net.${name.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;

export async function keepNamespace(device: Device, pid: Pid): Promise<void> {
  const path = pathOf(device);
  await Deno.writeTextFile(path, "");
  await run(["mount", "--bind", `/proc/${pid}/ns/net`, path]);
}

/** Move an interface back to the host, if it is still in there, and let the namespace go. Idempotent. */
export async function leaveNamespace(
  device: Device,
  options: { readonly link: string; readonly name: string },
): Promise<void> {
  const path = pathOf(device);
  const isKept = await Deno.stat(path).then(() => true, () => false);
  if (!isKept) return;
  const { link, name } = options;
  const within = (...argv: string[]) => run(["nsenter", `--net=${path}`, "--", ...argv]);
  try {
    await within("ip", "link", "set", "dev", name, "down");
    await within("ip", "link", "set", "dev", name, "netns", String(Deno.pid), "name", link);
  } catch {
    // Ignored: liblxc has moved it back already.
  }
  // Ignored: a daemon that died may have unmounted it.
  await run(["umount", "-l", path]).catch(() => undefined);
  await Deno.remove(path).catch(() => undefined);
}
