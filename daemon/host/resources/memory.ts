/** Memory of the host and of its NUMA nodes, in bytes. @see proc_meminfo(5) */
import type { HostFiles } from "./host_files.ts";

const BLOCKS = "/sys/devices/system/memory";
const NODES = "/sys/devices/system/node";

/** `used` is without buffers and page cache. */
export async function readMemory(host: HostFiles) {
  const amounts = parseMeminfo(await host.text("/proc/meminfo"));
  const page = amounts("Hugepagesize");
  const blocks = await readBlocks(host);
  const total = blocks.sum([...blocks.online]) || amounts("MemTotal");
  return {
    nodes: await readNodes(host, blocks, page),
    ...hugepages(amounts, page),
    hugepages_size: page,
    used: total - amounts("MemFree") - amounts("Buffers") - amounts("Cached"),
    total,
  };
}

/** What the hardware has, which is more than the kernel leaves: in blocks that can be taken offline. */
async function readBlocks(host: HostFiles) {
  const size = parseInt(await host.text(`${BLOCKS}/block_size_bytes`), 16) || 0;
  const online = new Set<string>();
  for (const name of await host.names(BLOCKS)) {
    if (/^memory\d+$/.test(name) && await host.text(`${BLOCKS}/${name}/online`) === "1") {
      online.add(name);
    }
  }
  const sum = (names: readonly string[]) => names.filter((name) => online.has(name)).length * size;
  return { online, sum };
}

type Blocks = Awaited<ReturnType<typeof readBlocks>>;

async function readNodes(host: HostFiles, blocks: Blocks, page: number) {
  const nodes = [];
  for (const name of await host.names(NODES)) {
    if (!/^node\d+$/.test(name)) continue;
    const amounts = parseMeminfo(await host.text(`${NODES}/${name}/meminfo`));
    nodes.push({
      numa_node: Number(name.slice("node".length)),
      ...hugepages(amounts, page),
      used: amounts("MemUsed"),
      total: blocks.sum(await host.names(`${NODES}/${name}`)) || amounts("MemTotal"),
    });
  }
  return nodes.toSorted((a, b) => a.numa_node - b.numa_node);
}

type Amounts = (key: string) => number;

/** Lines `MemFree: 12 kB`, of a node `Node 0 MemFree: 12 kB`; bytes, or how many. Pure. */
function parseMeminfo(text: string): Amounts {
  const lines = text.matchAll(/^(?:Node \d+ )?(\w+):\s+(\d+)( kB)?/gm);
  const amounts = new Map(
    [...lines].map(([, key, value, unit]) =>
      [key, Number(value) * (unit === undefined ? 1 : 1024)] as const
    ),
  );
  return (key) => amounts.get(key) ?? 0;
}

const hugepages = (amounts: Amounts, page: number) => ({
  hugepages_used: (amounts("HugePages_Total") - amounts("HugePages_Free")) * page,
  hugepages_total: amounts("HugePages_Total") * page,
});
