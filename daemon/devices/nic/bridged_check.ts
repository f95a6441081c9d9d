/** Rules across the options of a bridged nic. */
import { parseVlans } from "#api/config/device_nic.ts";
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";
import { isFalse, isTrue } from "#base/units.ts";
import { invalidDevice } from "#daemon/devices/check_keys.ts";
import type { ValidateContext } from "#daemon/devices/device.ts";
import type { NicWish } from "./kind.ts";
import { assertUnique } from "./static_host.ts";

/** @throws {Fault} bad_request in LXD's words. */
export async function checkBridged(
  name: string,
  wish: NicWish,
  context: ValidateContext,
): Promise<void> {
  checkVlans(name, wish);
  for (const family of [4, 6] as const) {
    if (wish.network === undefined) checkUnmanaged(name, wish, family);
    else checkManaged(name, wish, family);
  }
  if (context.instance === undefined || context.mustBeUnique?.has(name) !== true) return;
  await assertUnique(name, wish, context, wish.config["hwaddr"] ?? "");
}

function checkVlans(name: string, { config }: NicWish): void {
  const untagged = config["vlan"] ?? "";
  if (untagged === "0") {
    throw invalidDevice(name, 'Invalid value for device option "vlan": want 1 to 4094, or none');
  }
  const tagged = parseVlans(config["vlan.tagged"] ?? "");
  if (untagged !== "" && tagged.includes(Number(untagged))) {
    throw invalidDevice(
      name,
      `Tagged VLAN ID "${untagged}" cannot be the same as untagged VLAN ID`,
    );
  }
  if (untagged === "" && tagged.length === 0) return;
  for (const family of [4, 6]) {
    if (!isTrue(config[`security.ipv${family}_filtering`])) continue;
    throw invalidDevice(
      name,
      `Cannot use VLANs together with "security.ipv${family}_filtering"`,
    );
  }
}

function checkUnmanaged(name: string, { config }: NicWish, family: 4 | 6): void {
  const address = config[`ipv${family}.address`] ?? "";
  const isFiltering = isTrue(config[`security.ipv${family}_filtering`]);
  if (isFiltering && address === "") {
    throw invalidDevice(
      name,
      `IPv${family} filtering requires a manually specified ipv${family}.address when using ` +
        "an unmanaged parent bridge",
    );
  }
  if (!isFiltering && address !== "") {
    throw invalidDevice(
      name,
      `Cannot use manually specified ipv${family}.address when using unmanaged parent bridge`,
      "Use a managed network, or filter by the address too.",
    );
  }
}

function checkManaged(name: string, { config, network }: NicWish, family: 4 | 6): void {
  const key = `ipv${family}.address`;
  const value = config[key] ?? "";
  const isFiltering = isTrue(config[`security.ipv${family}_filtering`]);
  const bridge = network?.config ?? {};
  const subnet = parseSubnet(bridge[key] ?? "");
  const isStateless = family === 6 && !isTrue(bridge["ipv6.dhcp.stateful"]);
  const hasDhcp = subnet !== undefined && !isFalse(bridge[`ipv${family}.dhcp`]);
  if (value === "" && isFiltering && subnet !== undefined && !hasDhcp) {
    throw invalidDevice(
      name,
      `IPv${family} filtering needs "${key}", because DHCP is disabled on network ` +
        `"${network?.name}"`,
    );
  }
  if (value === "none" && !isFiltering) {
    throw invalidDevice(
      name,
      `Cannot have ${key} as none unless using security.ipv${family}_filtering`,
    );
  }
  if (value === "" || value === "none") return;
  const parsed = parseAddress(value);
  if (parsed === undefined) {
    const why = `want one IPv${family} address`;
    throw invalidDevice(name, `Invalid value for device option "${key}": ${why}`);
  }
  if ((!hasDhcp || isStateless) && !isFiltering) {
    throw invalidDevice(
      name,
      family === 4
        ? `Cannot specify "ipv4.address" when DHCP is disabled (unless using ` +
          `security.ipv4_filtering) on network "${network?.name}"`
        : `Cannot specify "ipv6.address" when DHCP or "ipv6.dhcp.stateful" are disabled ` +
          `(unless using security.ipv6_filtering) on network "${network?.name}"`,
    );
  }
  if (subnet !== undefined && !contains(subnet, parsed.family, parsed.value)) {
    throw invalidDevice(
      name,
      `Device IP address "${value}" not within network "${network?.name}" subnet`,
      `Its ${key} is ${bridge[key]}.`,
    );
  }
  if (subnet?.address === parsed.value) {
    throw invalidDevice(
      name,
      `IP address "${value}" is assigned to parent managed network device "${network?.name}"`,
      "Choose another address of the subnet.",
    );
  }
}
