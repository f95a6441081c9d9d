/** The machine itself, as its firmware describes it. @see the SMBIOS specification, DSP0134 */
import { run } from "#daemon/host/run.ts";
import type { HostFiles } from "./host_files.ts";

const DMI = "/sys/class/dmi/id";

/** By number; table 17 of the specification. */
const CHASSIS_TYPES = (
  "|Other|Unknown|Desktop|Low Profile Desktop|Pizza Box|Mini Tower|Tower|Portable|Laptop|Notebook|" +
  "Hand Held|Docking Station|All in One|Sub Notebook|Space-saving|Lunch Box|Main Server Chassis|" +
  "Expansion Chassis|SubChassis|Bus Expansion Chassis|Peripheral Chassis|RAID Chassis|" +
  "Rack Mount Chassis|Sealed-case PC|Multi-system chassis|Compact PCI|Advanced TCA|Blade|" +
  "Blade Enclosure|Tablet|Convertible|Detachable|IoT Gateway|Embedded PC|Mini PC|Stick PC"
).split("|");

/** Firmware, chassis and motherboard are null where there is no SMBIOS. */
export async function readSystem(host: HostFiles) {
  const dmi = (name: string) => host.text(`${DMI}/${name}`);
  const hasDmi = await host.has(DMI);
  return {
    uuid: await dmi("product_uuid"),
    vendor: await dmi("sys_vendor"),
    product: await dmi("product_name"),
    family: await dmi("product_family"),
    version: await dmi("product_version"),
    sku: await dmi("product_sku"),
    serial: await dmi("product_serial"),
    type: await systemType(),
    firmware: !hasDmi ? null : {
      vendor: await dmi("bios_vendor"),
      date: await dmi("bios_date"),
      version: await dmi("bios_version"),
    },
    chassis: !hasDmi ? null : {
      vendor: await dmi("chassis_vendor"),
      type: CHASSIS_TYPES[Number(await dmi("chassis_type"))] ?? "",
      serial: await dmi("chassis_serial"),
      version: await dmi("chassis_version"),
    },
    motherboard: !hasDmi ? null : {
      vendor: await dmi("board_vendor"),
      product: await dmi("board_name"),
      serial: await dmi("board_serial"),
      version: await dmi("board_version"),
    },
  };
}

/** @see systemd-detect-virt(1): it succeeds if the answer is yes. */
async function systemType(): Promise<string> {
  const is = (kind: string) =>
    run(["systemd-detect-virt", "--quiet", kind]).then(() => true, () => false);
  if (await is("--container")) return "container";
  return await is("--vm") ? "virtual-machine" : "physical";
}
