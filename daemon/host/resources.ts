/** The hardware of the host, as GET /1.0/resources shows it. @see /sys, /proc */

async function read(path: string): Promise<string> {
  return (await Deno.readTextFile(path).catch(() => "")).trim();
}

async function readNumber(path: string): Promise<number> {
  return Number(await read(path)) || 0;
}

async function names(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  } catch {
    return []; // Ignored: hardware that is not there.
  }
}

export async function readResources() {
  const [cpu, memory, network, storage] = await Promise.all([
    readCpu(),
    readMemory(),
    readNetwork(),
    readStorage(),
  ]);
  return {
    cpu,
    memory,
    gpu: { cards: [], total: 0 },
    network,
    storage,
    usb: { devices: [], total: 0 },
    pci: { devices: [], total: 0 },
    system: await readSystem(),
  };
}

async function readCpu() {
  const info = await read("/proc/cpuinfo");
  const field = (key: string) => new RegExp(`^${key}\\s*: (.*)$`, "m").exec(info)?.[1] ?? "";
  const ids = (await names("/sys/devices/system/cpu")).filter((name) => /^cpu\d+$/.test(name))
    .map((name) => Number(name.slice(3))).toSorted((a, b) => a - b);
  const sockets = new Map<number, Map<string, { core: number; die: number; threads: unknown[] }>>();
  for (const id of ids) {
    const at = `/sys/devices/system/cpu/cpu${id}`;
    const socket = await readNumber(`${at}/topology/physical_package_id`);
    const core = await readNumber(`${at}/topology/core_id`);
    const die = await readNumber(`${at}/topology/die_id`);
    let cores = sockets.get(socket);
    if (cores === undefined) sockets.set(socket, cores = new Map());
    const key = `${die}.${core}`;
    const one = cores.get(key) ?? { core, die, threads: [] };
    cores.set(key, one);
    one.threads.push({
      id,
      numa_node: 0,
      thread: one.threads.length,
      online: (await read(`${at}/online`)) !== "0",
      isolated: false,
    });
  }
  return {
    architecture: Deno.build.arch,
    sockets: [...sockets].map(([socket, cores]) => ({
      name: field("model name"),
      vendor: field("vendor_id"),
      socket,
      cache: [],
      cores: [...cores.values()],
    })),
    total: ids.length,
  };
}

async function readMemory() {
  const info = await read("/proc/meminfo");
  const bytes = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(info)?.[1] ?? 0) * 1024;
  const total = bytes("MemTotal");
  const used = total - bytes("MemFree") - bytes("Buffers") - bytes("Cached");
  return {
    nodes: [{ numa_node: 0, hugepages_used: 0, hugepages_total: 0, used, total }],
    hugepages_total: 0,
    hugepages_used: 0,
    hugepages_size: bytes("Hugepagesize"),
    used,
    total,
  };
}

async function readNetwork() {
  const cards = [];
  for (const name of await names("/sys/class/net")) {
    const at = `/sys/class/net/${name}`;
    if ((await names(`${at}/device`)).length === 0) continue;
    cards.push({
      driver: (await Deno.readLink(`${at}/device/driver`).catch(() => "")).split("/").at(-1) ?? "",
      driver_version: Deno.osRelease(),
      ports: [{
        id: name,
        address: await read(`${at}/address`),
        port: 0,
        protocol: "ethernet",
        auto_negotiation: false,
        link_detected: (await read(`${at}/carrier`)) === "1",
      }],
      numa_node: 0,
    });
  }
  return { cards, total: cards.length };
}

async function readStorage() {
  const disks = [];
  for (const id of await names("/sys/class/block")) {
    const at = `/sys/class/block/${id}`;
    const isDisk = !(await names(at)).includes("partition") && !/^(loop|ram|dm-|zram)/.test(id);
    if (!isDisk) continue;
    disks.push({
      id,
      device: await read(`${at}/dev`),
      model: await read(`${at}/device/model`),
      type: id.startsWith("vd") ? "virtio" : id.startsWith("nvme") ? "nvme" : "scsi",
      read_only: (await read(`${at}/ro`)) === "1",
      size: (await readNumber(`${at}/size`)) * 512,
      removable: (await read(`${at}/removable`)) === "1",
      numa_node: 0,
      block_size: 0,
      rpm: await readNumber(`${at}/queue/rotational`),
      partitions: [],
    });
  }
  return { disks, total: disks.length };
}

async function readSystem() {
  const dmi = (name: string) => read(`/sys/class/dmi/id/${name}`);
  return {
    uuid: await dmi("product_uuid"),
    vendor: await dmi("sys_vendor"),
    product: await dmi("product_name"),
    family: await dmi("product_family"),
    version: await dmi("product_version"),
    sku: await dmi("product_sku"),
    serial: await dmi("product_serial"),
    type: "physical",
    firmware: null,
    chassis: null,
    motherboard: null,
  };
}
