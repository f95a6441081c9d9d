/**
 * The network namespace of an instance, kept by a mount: interfaces would vanish with it, before
 * anybody could take them out, or at a time that nobody knows.
 */
import type { Pid } from "#base/brand.ts";
import { readIfThere, removeIfThere } from "#daemon/host/files.ts";
import { ipJsonWithin, type IpLink, runUnlessGone } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { Device } from "#daemon/devices/device.ts";

const pathOf = ({ host, name }: Device) =>
  `${host.devicesPath()}/net.${name.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;

/**
 * Bind the namespace of the process to a file of the device; the interface is in there, or comes.
 *
 * @throws {Fault} if the process has ended.
 */
export async function keepNamespace(device: Device, pid: Pid, name: string): Promise<void> {
  const path = pathOf(device);
  await Deno.writeTextFile(path, "");
  await run(["mount", "--bind", `/proc/${pid}/ns/net`, path]);
  await rememberLink(device, name);
}

/** The interface has come into the kept namespace: whatever name it gets in there, it is found. */
export async function rememberLink(device: Device, name: string): Promise<void> {
  const link = (await linksWithin(device)).find(({ ifname }) => ifname === name);
  if (link !== undefined) await Deno.writeTextFile(indexPath(device), String(link.ifindex));
}

/** Move an interface back to the host, if it is still in there, and let the namespace go. Idempotent. */
export async function leaveNamespace(
  device: Device,
  options: { readonly link: string; readonly name: string },
): Promise<void> {
  await leave(device, async () => {
    const name = await nameWithin(device, options.name);
    if (name === undefined) return;
    // liblxc may be moving it back at the same time.
    await runUnlessGone(within(device, "ip", "link", "set", "dev", name, "down"));
    const here = ["netns", String(Deno.pid), "name", options.link];
    await runUnlessGone(within(device, "ip", "link", "set", "dev", name, ...here));
  });
}

/**
 * Remove an interface, if it is still in there, and let the namespace go. Idempotent. Left to the end
 * of the namespace it goes some time later: meanwhile no other may have its address.
 *
 * @returns whether there was a namespace.
 */
export async function removeWithNamespace(device: Device, wanted: string): Promise<boolean> {
  return await leave(device, async () => {
    const name = await nameWithin(device, wanted);
    if (name === undefined) return;
    await runUnlessGone(within(device, "ip", "link", "delete", "dev", name));
  });
}

const indexPath = (device: Device) => `${pathOf(device)}.index`;

const within = (device: Device, ...argv: string[]) => [
  ...["nsenter", `--net=${pathOf(device)}`, "--", ...argv],
];

async function linksWithin(device: Device): Promise<IpLink[]> {
  return await ipJsonWithin<IpLink>(within(device), "link", "show");
}

/** What the interface is called in there now; undefined if it left. */
async function nameWithin(device: Device, wanted: string): Promise<string | undefined> {
  const index = await readIfThere(indexPath(device));
  const links = await linksWithin(device);
  return links.find((link) =>
    index === undefined ? link.ifname === wanted : String(link.ifindex) === index
  )?.ifname;
}

async function leave(device: Device, before: () => Promise<void>): Promise<boolean> {
  const path = pathOf(device);
  const place = await Deno.stat(path).catch(() => undefined);
  if (place === undefined) return false;
  // A daemon may have died before it was mounted.
  const isMounted = place.dev !== (await Deno.stat(device.host.devicesPath())).dev;
  if (isMounted) {
    await before();
    await run(["umount", "-l", path]);
  }
  await removeIfThere(indexPath(device));
  await Deno.remove(path);
  return isMounted;
}
