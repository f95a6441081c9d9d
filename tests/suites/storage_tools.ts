/** What the storage suite works with: volumes, an image, files and disks with content. */
import assert from "node:assert/strict";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";

export const MIB = 2 ** 20;

export const container = (name: string): Volume => ({
  kind: "container",
  content: "filesystem",
  name,
});
export const custom = (name: string): Volume => ({
  kind: "custom",
  content: "filesystem",
  name: `default_${name}`,
});
export const disk = (name: string): Volume => ({
  kind: "custom",
  content: "block",
  name: `p1_${name}`,
});

export const write = (directory: HostPath, name: string, text: string) =>
  Deno.writeTextFile(`${directory}/${name}`, text);
export const read = (directory: HostPath, name: string) =>
  Deno.readTextFile(`${directory}/${name}`).catch(() => undefined);

/** An image with what is easily lost: owners, modes, links, attributes. */
export async function unpack(directory: HostPath): Promise<void> {
  await write(directory, "metadata.yaml", "architecture: x86_64\n");
  await Deno.mkdir(`${directory}/templates`);
  await write(directory, "templates/hosts.tpl" as never, "hello");
  const rootfs = hostPath(`${directory}/rootfs`);
  await Deno.mkdir(`${rootfs}/bin`, { recursive: true });
  await write(rootfs, "bin/tool", "image");
  await Deno.chown(`${rootfs}/bin/tool`, 12, 34);
  await Deno.chmod(`${rootfs}/bin/tool`, 0o4755);
  await Deno.link(`${rootfs}/bin/tool`, `${rootfs}/bin/same`);
  await Deno.symlink("/etc/absolute", `${rootfs}/link`);
}

/** @returns the root file system of a new container. */
export async function fromImage(driver: StorageDriver, volume: Volume): Promise<HostPath> {
  await driver.ensureImage("cafe", unpack);
  await driver.createFromImage(volume, "cafe");
  return await rootfsOf(driver, volume);
}

export async function rootfsOf(driver: StorageDriver, volume: Volume, snapshot?: string) {
  return hostPath(`${await driver.mount(volume, snapshot)}/rootfs`);
}

export async function refused(kind: Fault["kind"], run: Promise<unknown>): Promise<void> {
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof Fault, `a Fault, not ${error instanceof Error && error.stack}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

export async function fill(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const chunk = crypto.getRandomValues(new Uint8Array(65536));
  const block = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += chunk.length) block.set(chunk, at);
  for (let written = 0; written < bytes; written += MIB) {
    let left = block;
    while (left.length > 0) left = left.subarray(await file.write(left));
  }
  await file.sync();
}

/** Of a file or a block device. */
export async function sizeOf(path: string): Promise<number> {
  using file = await Deno.open(path);
  return await file.seek(0, Deno.SeekMode.End);
}

export async function writeAt(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.write(new TextEncoder().encode(text));
  await file.sync();
}

export async function readAt(path: string): Promise<string> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(3);
  await file.read(buffer);
  return new TextDecoder().decode(buffer);
}

export function mountsBelow(base: string): string[] {
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(base));
}
