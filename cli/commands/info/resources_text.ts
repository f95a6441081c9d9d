/** What `info --resources` says about a server's hardware. Pure. */
import { formatBytes } from "#base/units.ts";

interface Cpu {
  readonly architecture: string;
  readonly sockets: readonly Socket[] | null;
}

interface Socket {
  readonly name?: string;
  readonly vendor?: string;
  readonly socket: number;
  readonly cache?: readonly { level: number; type: string; size: number }[] | null;
  readonly cores: readonly Core[] | null;
  readonly frequency?: number;
  readonly frequency_minimum?: number;
  readonly frequency_turbo?: number;
}

interface Core {
  readonly core: number;
  readonly frequency?: number;
  readonly threads:
    | readonly { id: number; thread: number; online: boolean; numa_node: number }[]
    | null;
}

interface MemoryAmounts {
  readonly hugepages_used: number;
  readonly hugepages_total: number;
  readonly used: number;
  readonly total: number;
}

interface Memory extends MemoryAmounts {
  readonly nodes?: readonly (MemoryAmounts & { numa_node: number })[] | null;
}

interface Pci {
  readonly numa_node: number;
  readonly vendor?: string;
  readonly vendor_id?: string;
  readonly product?: string;
  readonly product_id?: string;
  readonly pci_address?: string;
  readonly driver?: string;
  readonly driver_version?: string;
}

interface Sriov<Card> {
  readonly current_vfs: number;
  readonly maximum_vfs: number;
  readonly vfs?: readonly Card[] | null;
}

type Fields = Readonly<Record<string, string>>;

interface Gpu extends Pci {
  readonly drm?: Fields & { readonly id: number } | null;
  readonly nvidia?: Fields | null;
  readonly sriov?: Sriov<Gpu> | null;
  readonly mdev?: Readonly<Record<string, { available: number; description?: string }>> | null;
}

interface Port {
  readonly id: string;
  readonly address?: string;
  readonly port: number;
  readonly protocol: string;
  readonly auto_negotiation?: boolean;
  readonly link_detected?: boolean;
  readonly link_speed?: number;
  readonly link_duplex?: string;
  readonly supported_modes?: readonly string[] | null;
  readonly supported_ports?: readonly string[] | null;
  readonly port_type?: string;
  readonly transceiver_type?: string;
  readonly infiniband?: Fields | null;
}

interface Nic extends Pci {
  readonly ports?: readonly Port[] | null;
  readonly sriov?: Sriov<Nic> | null;
}

interface Disk {
  readonly numa_node?: number;
  readonly id: string;
  readonly device: string;
  readonly model?: string;
  readonly type?: string;
  readonly size: number;
  readonly wwn?: string;
  readonly read_only: boolean;
  readonly removable: boolean;
  readonly partitions?:
    | readonly { id: string; device: string; read_only: boolean; size: number; partition: number }[]
    | null;
}

export interface Resources {
  readonly cpu: Cpu;
  readonly memory: Memory;
  readonly gpu?: { readonly cards: readonly Gpu[] | null };
  readonly network?: { readonly cards: readonly Nic[] | null };
  readonly storage?: { readonly disks: readonly Disk[] | null };
}

/** Line by line as LXD's client prints it: scripts read this. */
export function resourcesText({ cpu, memory, gpu, network, storage }: Resources): string {
  const lines = [
    ...many(`CPU (${cpu.architecture})`, `CPUs (${cpu.architecture})`, "Socket", cpu.sockets, {
      lines: socketLines,
      number: ({ socket }) => socket,
    }),
    "",
    "Memory:",
    ...memoryLines(memory).map(indent),
    ...blankThen(many("GPU", "GPUs", "Card", gpu?.cards, { lines: gpuLines })),
    ...blankThen(many("NIC", "NICs", "Card", network?.cards, { lines: nicLines })),
    ...blankThen(many("Disk", "Disks", "Disk", storage?.disks, { lines: diskLines })),
  ];
  return lines.join("\n") + "\n";
}

const indent = (line: string) => `  ${line}`;
const blankThen = (lines: readonly string[]) => lines.length > 0 ? ["", ...lines] : [];

interface Section<Thing> {
  readonly lines: (thing: Thing) => string[];
  readonly number?: (thing: Thing) => number;
}

/** One thing stands below its title; several are numbered. */
function many<Thing>(
  one: string,
  several: string,
  each: string,
  things: readonly Thing[] | null | undefined,
  { lines, number }: Section<Thing>,
): string[] {
  const [first, ...others] = things ?? [];
  if (first === undefined) return [];
  if (others.length === 0) return [`${one}:`, ...lines(first).map(indent)];
  return [`${several}:`].concat((things ?? []).flatMap((thing, index) => [
    `  ${each} ${number?.(thing) ?? index}:`,
    ...lines(thing).map((line) => `    ${line}`),
  ]));
}

/** `name: value` for what has a value. */
function fields(...pairs: readonly (readonly [string, string | undefined])[]): string[] {
  return pairs.filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`);
}

function socketLines(socket: Socket): string[] {
  const lines = fields(["Vendor", socket.vendor], ["Name", socket.name]);
  if (socket.cache?.length) lines.push("Caches:");
  for (const { level, type, size } of socket.cache ?? []) {
    lines.push(`  - Level ${level} (type: ${type}): ${formatBytes(size, 0)}`);
  }
  lines.push("Cores:");
  for (const { core, frequency = 0, threads } of socket.cores ?? []) {
    lines.push(`  - Core ${core}`, `    Frequency: ${frequency}Mhz`, "    Threads:");
    for (const { id, thread, online, numa_node } of threads ?? []) {
      lines.push(`      - ${thread} (id: ${id}, online: ${online}, NUMA node: ${numa_node})`);
    }
  }
  const { frequency, frequency_minimum: least, frequency_turbo: most } = socket;
  if (!frequency) return lines;
  const range = least && most ? ` (min: ${least}Mhz, max: ${most}Mhz)` : "";
  return [...lines, `Frequency: ${frequency}Mhz${range}`];
}

function memoryLines(memory: Memory): string[] {
  const nodes = memory.nodes ?? [];
  const lines = hugepages(memory);
  if (nodes.length > 1) {
    lines.push("NUMA nodes:");
    for (const node of nodes) {
      const inner = [...hugepages(node), ...amounts(node.used, node.total)];
      lines.push(`  Node ${node.numa_node}:`, ...inner.map((line) => `    ${line}`));
    }
  }
  return [...lines, ...amounts(memory.used, memory.total)];
}

function hugepages({ hugepages_used: used, hugepages_total: total }: MemoryAmounts): string[] {
  return total > 0 ? ["Hugepages:", ...amounts(used, total).map(indent)] : [];
}

const amounts = (used: number, total: number) => [
  `Free: ${formatBytes(total - used)}`,
  `Used: ${formatBytes(used)}`,
  `Total: ${formatBytes(total)}`,
];

function pciLines(card: Pci): string[] {
  return [
    `NUMA node: ${card.numa_node}`,
    ...fields(
      ["Vendor", card.vendor && `${card.vendor} (${card.vendor_id ?? ""})`],
      ["Product", card.product && `${card.product} (${card.product_id ?? ""})`],
      ["PCI address", card.pci_address],
      ["Driver", card.driver && `${card.driver} (${card.driver_version ?? ""})`],
    ),
  ];
}

const NVIDIA = [
  ["Architecture", "architecture"],
  ["Brand", "brand"],
  ["Model", "model"],
  ["CUDA Version", "cuda_version"],
  ["NVRM Version", "nvrm_version"],
  ["UUID", "uuid"],
] as const;

function gpuLines(card: Gpu): string[] {
  const { drm, nvidia, mdev } = card;
  const node = (kind: string) => {
    const name = drm?.[`${kind}_name`];
    return name && `${name} (${drm?.[`${kind}_device`]})`;
  };
  const lines = pciLines(card);
  if (drm) {
    lines.push("DRM:", `  ID: ${drm.id}`);
    const nodes = fields(["Card", node("card")], ["Control", node("control")], [
      "Render",
      node("render"),
    ]);
    lines.push(...nodes.map(indent));
  }
  if (nvidia) {
    const known = NVIDIA.map(([label, key]) => `${label}: ${nvidia[key] ?? ""}`);
    lines.push("NVIDIA information:", ...known.map(indent));
  }
  lines.push(...sriovLines(card.sriov, gpuLines));
  const profiles = Object.entries(mdev ?? {});
  if (profiles.length > 0) lines.push("Mdev profiles:");
  for (const [name, { available, description }] of profiles) {
    lines.push(`  - ${name} (${available} available)`);
    if (!description) continue;
    lines.push(...description.split("\n").map((line) => `      ${line}`));
  }
  return lines;
}

function sriovLines<Card>(
  sriov: Sriov<Card> | null | undefined,
  lines: (card: Card) => string[],
): string[] {
  if (!sriov) return [];
  const functions = (sriov.vfs ?? []).flatMap((card) =>
    lines(card).map((line, index) => `${index === 0 ? "- " : "  "}${line}`)
  );
  return [
    "SR-IOV information:",
    ...[
      `Current number of VFs: ${sriov.current_vfs}`,
      `Maximum number of VFs: ${sriov.maximum_vfs}`,
      ...(functions.length > 0 ? [`VFs: ${sriov.maximum_vfs}`] : []),
      ...functions,
    ].map(indent),
  ];
}

function nicLines(card: Nic): string[] {
  const lines = pciLines(card);
  if (card.ports?.length) lines.push("Ports:");
  for (const port of card.ports ?? []) {
    lines.push(`  - Port ${port.port} (${port.protocol})`);
    lines.push(...portLines(port).map((line) => `    ${line}`));
  }
  return [...lines, ...sriovLines(card.sriov, nicLines)];
}

function portLines(port: Port): string[] {
  const { infiniband, link_speed: speed, link_duplex: duplex } = port;
  const device = (kind: string) => {
    const name = infiniband?.[`${kind}_name`];
    return name && `${name} (${infiniband?.[`${kind}_device`]})`;
  };
  const lines = fields(
    ["ID", port.id],
    ["Address", port.address],
    ["Supported modes", port.supported_modes?.join(", ")],
    ["Supported ports", port.supported_ports?.join(", ")],
    ["Port type", port.port_type],
    ["Transceiver type", port.transceiver_type],
    ["Auto negotiation", String(port.auto_negotiation ?? false)],
    ["Link detected", String(port.link_detected ?? false)],
    ["Link speed", speed ? `${speed}Mbit/s (${duplex} duplex)` : undefined],
  );
  if (!infiniband) return lines;
  const devices = fields(["IsSM", device("issm")], ["MAD", device("mad")], [
    "Verb",
    device("verb"),
  ]);
  return [...lines, "Infiniband:", ...devices.map(indent)];
}

function diskLines(disk: Disk): string[] {
  const lines = [
    `NUMA node: ${disk.numa_node ?? 0}`,
    ...fields(
      ["ID", disk.id],
      ["Device", disk.device],
      ["Model", disk.model],
      ["Type", disk.type],
    ),
    `Size: ${formatBytes(disk.size)}`,
    ...fields(["WWN", disk.wwn]),
    `Read-Only: ${disk.read_only}`,
    `Removable: ${disk.removable}`,
  ];
  if (disk.partitions?.length) lines.push("Partitions:");
  for (const part of disk.partitions ?? []) {
    const inner = [
      `ID: ${part.id}`,
      `Device: ${part.device}`,
      `Read-Only: ${part.read_only}`,
      `Size: ${formatBytes(part.size)}`,
    ];
    lines.push(`  - Partition ${part.partition}`, ...inner.map((line) => `    ${line}`));
  }
  return lines;
}
