/** A device that every machine has: its disk. */

export interface HostDisk {
  readonly vendorid: string;
  /** "/dev/vda" */
  readonly node: string;
}

/** The disk of this machine, if it is one of a PCI device: then it has a vendor. Else says so. */
export async function findDisk(): Promise<HostDisk | undefined> {
  for await (const { name } of Deno.readDir("/sys/class/block")) {
    const vendor = await Deno.readTextFile(`/sys/class/block/${name}/device/vendor`)
      .catch(() => "");
    const vendorid = /^0x([0-9a-f]{4})$/m.exec(vendor)?.[1];
    if (vendorid !== undefined) return { vendorid, node: `/dev/${name}` };
  }
  console.log("not run: tests of a PCI device's disk, this machine has none");
  return undefined;
}
