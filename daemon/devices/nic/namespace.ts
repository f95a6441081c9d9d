/**
 * The network namespace of an instance, kept by a mount: interfaces would vanish with it, before
 * anybody could take them out, or at a time that nobody knows.
 */
import type { Pid } from "#base/brand.ts";
import { runUnlessGone } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { Device } from "#daemon/devices/device.ts";
import { ifThere } from "#daemon/host/files.ts";

const pathOf = ({ host, name }: Device) =>
  `${host.devicesPath()}/net.${name.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;

/** Bind it to a file of the device. @throws {Fault} if the process has ended. */
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
  const { link, name } = options;
  await leave(device, async (within) => {
    // liblxc may have moved it back already.
    await runUnlessGone(within("ip", "link", "set", "dev", name, "down"));
    const here = ["netns", String(Deno.pid), "name", link];
    await runUnlessGone(within("ip", "link", "set", "dev", name, ...here));
  });
}

/**
 * Remove an interface, if it is still in there, and let the namespace go. Idempotent. Left to the end
 * of the namespace it goes some time later: meanwhile no other may have its address.
 */
export async function removeWithNamespace(device: Device, name: string): Promise<void> {
  await leave(device, (within) => runUnlessGone(within("ip", "link", "delete", "dev", name)));
}

async function leave(
  device: Device,
  before: (within: (...argv: string[]) => string[]) => Promise<void>,
): Promise<void> {
  const path = pathOf(device);
  const place = await Deno.stat(path).catch(ifThere);
  if (place === undefined) return;
  // A daemon may have died before it was mounted.
  const isMounted = place.dev !== (await Deno.stat(device.host.devicesPath())).dev;
  if (isMounted) {
    await before((...argv) => ["nsenter", `--net=${path}`, "--", ...argv]);
    await run(["umount", "-l", path]);
  }
  await Deno.remove(path);
}
