/** Devices of disks (zvols): by the links of udev, or by asking each device where no udev runs. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { entries, exists } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";
import { zfs } from "./tool.ts";

/** Of zfsutils-linux: says which dataset a device is. */
const NAME_OF = "/lib/udev/zvol_id";
/** The kernel makes devices in the background. */
const WAIT_MS = 10_000;
const STEP_MS = 50;

/** Make the device of a disk, or of a snapshot of one, appear. @throws {Fault} unavailable */
export async function diskDevice(name: string): Promise<HostPath> {
  const found = await findDevice(name);
  if (found !== undefined) return found;
  const [dataset = "", snapshot] = name.split("@");
  await zfs("set", snapshot === undefined ? "volmode=dev" : "snapdev=visible", dataset);
  for (const end = performance.now() + WAIT_MS; performance.now() < end;) {
    const device = await findDevice(name);
    if (device !== undefined) return device;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  throw new Fault("unavailable", `the disk "${name}" has no device`, {
    hint: "Does udev run, or is zvol_id of zfsutils-linux there?",
  });
}

async function findDevice(name: string): Promise<HostPath | undefined> {
  const link = `/dev/zvol/${name}`;
  if (await exists(link)) return hostPath(await Deno.realPath(link));
  const devices = (await entries(hostPath("/sys/block"))).filter((one) => /^zd\d+$/.test(one));
  for (const device of devices.toReversed()) {
    const path = hostPath(`/dev/${device}`);
    const theirs = await run([NAME_OF, path]).catch(() => ""); // Ignored: it is gone.
    if (theirs.trim() === name) return path;
  }
  return undefined;
}
