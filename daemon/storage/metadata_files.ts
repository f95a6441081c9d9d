/** What stands beside an instance's file system: how its image describes it, and its templates. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { entries, ifThere } from "#daemon/host/files.ts";

/** metadata.yaml and templates/ of an image, instance or snapshot. */
export async function copyMetadata(source: HostPath, target: HostPath): Promise<void> {
  await Deno.copyFile(`${source}/metadata.yaml`, `${target}/metadata.yaml`).catch(ifThere);
  for (const name of await entries(hostPath(`${source}/templates`))) {
    await Deno.mkdir(`${target}/templates`, { recursive: true, mode: 0o700 });
    await Deno.copyFile(`${source}/templates/${name}`, `${target}/templates/${name}`);
  }
}
