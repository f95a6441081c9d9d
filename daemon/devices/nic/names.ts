/** Names and hardware addresses of a nic: chosen once, kept in volatile values. */
import { RUNNING_NIC_SUFFIXES } from "#api/config/volatile_keys.ts";
import { randomHwaddr } from "#daemon/networks/auto_subnet.ts";
import type { Device } from "#daemon/devices/device.ts";
import type { Nic } from "./kind.ts";

/** MAC address: given, or chosen once and kept. */
export async function hwaddrOf({ config, name, host }: Device): Promise<string> {
  const given = config["hwaddr"];
  if (given) {
    await host.setVolatile({ [`volatile.${name}.hwaddr`]: undefined });
    return given.toLowerCase();
  }
  const known = host.volatile(name, "hwaddr");
  if (known) return known;
  const chosen = randomHwaddr();
  await host.setVolatile({ [`volatile.${name}.hwaddr`]: chosen });
  return chosen;
}

/** Name inside: given, or kept from before, or its own if that is an ethN, or the first free ethN. */
export async function interfaceName(device: Device): Promise<string> {
  const { config, name, host } = device;
  const given = config["name"];
  if (given) {
    await host.setVolatile({ [`volatile.${name}.name`]: undefined });
    return given;
  }
  const known = host.volatile(name, "name");
  if (known) return known;
  const taken = takenNames(device);
  const chosen = ETH.test(name) && !taken.has(name) ? name : freeName(taken);
  await host.setVolatile({ [`volatile.${name}.name`]: chosen });
  return chosen;
}

const ETH = /^eth\d+$/;

/** Names that the other nics have or will take, and all that is in there already. */
function takenNames({ name, host }: Device): ReadonlySet<string> {
  const others = Object.entries(host.devices)
    .filter(([other, { type }]) => type === "nic" && other !== name)
    .map(([other, config]) =>
      config["name"] || host.volatile(other, "name") || (ETH.test(other) ? other : "")
    );
  return new Set([...others, ...host.pid === undefined ? [] : linksInside(host.pid)]);
}

/** @see proc_pid_net(5) */
function linksInside(pid: number): string[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/net/dev`);
    return [...text.matchAll(/^ *([^ :]+):/gm)].map(([, link = ""]) => link);
  } catch {
    return []; // Ignored: it ended just now.
  }
}

function freeName(taken: ReadonlySet<string>): string {
  let index = 0;
  while (taken.has(`eth${index}`)) index++;
  return `eth${index}`;
}

/** Prefix and eight hexadecimal digits: with at most seven characters before them it fits IFNAMSIZ. */
export function randomName(prefix: string): string {
  const tail = [...crypto.getRandomValues(new Uint8Array(4))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${prefix}${tail}`;
}

/** Name of the host's end of a running nic; undefined if it does not run. */
export function hostNameOf({ host, name }: Device): string | undefined {
  return host.volatile(name, "host_name");
}

/** Forget what is true of a running nic only. */
export async function forgetRunning({ device: { host, name } }: Pick<Nic, "device">) {
  await host.setVolatile(
    Object.fromEntries(RUNNING_NIC_SUFFIXES.map((key) => [`volatile.${name}.${key}`, undefined])),
  );
}
