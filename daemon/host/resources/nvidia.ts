/** What NVIDIA's driver knows of its cards: by nvidia-container-cli if it is installed, else by /proc. */
import { run } from "#daemon/host/run.ts";
import { type HostFiles, unlessEmpty } from "./host_files.ts";

const CARDS = "/proc/driver/nvidia/gpus";
/** Of /dev/nvidia0 and its like. @see Linux: Documentation/admin-guide/devices.txt */
const MAJOR = 195;

export interface NvidiaCard {
  readonly architecture?: string;
  readonly brand?: string;
  readonly model?: string;
  readonly uuid?: string;
  readonly cuda_version?: string;
  readonly nvrm_version?: string;
  readonly card_name: string;
  readonly card_device: string;
}

/** By PCI address. */
export type NvidiaCards = ReadonlyMap<string, NvidiaCard>;

/** PCI address -> card; empty if the driver is not loaded. */
export async function readNvidia(host: HostFiles): Promise<NvidiaCards> {
  const addresses = await host.names(CARDS);
  if (addresses.length === 0) return new Map();
  try {
    return parseContainerCli(await run(["nvidia-container-cli", "info", "--csv"]));
  } catch {
    // Ignored: it is not installed, or does not know the driver.
  }
  const cards = new Map<string, NvidiaCard>();
  for (const address of addresses) {
    cards.set(address, parseInformation(await host.text(`${CARDS}/${address}/information`)));
  }
  return cards;
}

const node = (minor: string) => ({
  card_name: `nvidia${minor}`,
  card_device: `${MAJOR}:${minor}`,
});

/** Two tables with headings, a blank line between: the driver's versions, then the cards. Pure. */
export function parseContainerCli(text: string): NvidiaCards {
  const [versions, cards] = text.trim().split(/\n\s*\n/).map(parseTable);
  const version = versions?.[0];
  return new Map((cards ?? []).map((card) => [
    pciAddress(card["Bus Location"] ?? ""),
    {
      ...unlessEmpty("cuda_version", version?.["CUDA version"]),
      ...unlessEmpty("nvrm_version", version?.["NVRM version"]),
      ...unlessEmpty("brand", card["Brand"]),
      ...unlessEmpty("model", card["Model"]),
      ...unlessEmpty("uuid", card["GPU UUID"]),
      ...unlessEmpty("architecture", card["Architecture"]),
      ...node(card["Device Minor"] ?? "0"),
    },
  ]));
}

function parseTable(text: string): Record<string, string>[] {
  const [head = [], ...rows] = text.split("\n").map((line) => line.split(","));
  return rows.map((row) =>
    Object.fromEntries(head.map((name, index) => [name.trim(), row[index]?.trim() ?? ""]))
  );
}

/** Its domain has eight digits, the kernel's four. */
const pciAddress = (text: string) => text.toLowerCase().replace(/^0000(?=[0-9a-f]{4}:)/, "");

/** Lines `Model: GeForce GT 730`. Pure. */
function parseInformation(text: string): NvidiaCard {
  const value = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const model = value("Model");
  return {
    ...unlessEmpty("brand", model.split(" ", 1)[0]),
    ...unlessEmpty("model", model),
    ...node(value("Device Minor") || "0"),
  };
}
