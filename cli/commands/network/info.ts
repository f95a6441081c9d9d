/** The text of `network info`. Pure. */
import { siBytes } from "#cli/output/time.ts";

export interface NetworkState {
  readonly addresses: readonly Record<"family" | "address" | "netmask" | "scope", string>[] | null;
  readonly counters: Readonly<Record<string, number>>;
  readonly hwaddr: string;
  readonly mtu: number;
  readonly state: string;
  readonly type: string;
  readonly bond?: Readonly<Record<string, unknown>> | null;
  readonly bridge?: Readonly<Record<string, unknown>> | null;
  readonly vlan?: Readonly<Record<string, unknown>> | null;
}

type Line = readonly [label: string, key: string];

const BOND: readonly Line[] = [
  ["Mode", "mode"],
  ["Transmit policy", "transmit_policy"],
  ["Up delay", "up_delay"],
  ["Down delay", "down_delay"],
  ["MII Frequency", "mii_frequency"],
  ["MII state", "mii_state"],
  ["Lower devices", "lower_devices"],
];
const BRIDGE: readonly Line[] = [
  ["ID", "id"],
  ["STP", "stp"],
  ["Forward delay", "forward_delay"],
  ["Default VLAN ID", "vlan_default"],
  ["VLAN filtering", "vlan_filtering"],
  ["Upper devices", "upper_devices"],
];
const VLAN: readonly Line[] = [["Lower device", "lower_device"], ["VLAN ID", "vid"]];

/** Line by line as LXD's client prints it: scripts read this. */
export function networkInfo(name: string, state: NetworkState): string {
  const lines = [
    `Name: ${name}`,
    `MAC address: ${state.hwaddr}`,
    `MTU: ${state.mtu}`,
    `State: ${state.state}`,
    `Type: ${state.type}`,
  ];
  if (state.addresses?.length) {
    lines.push("", "IP addresses:");
    for (const { family, address, netmask, scope } of state.addresses) {
      lines.push(`  ${family}\t${address}/${netmask} (${scope})`);
    }
  }
  const { counters } = state;
  lines.push(
    "",
    "Network usage:",
    `  Bytes received: ${siBytes(counters.bytes_received ?? 0)}`,
    `  Bytes sent: ${siBytes(counters.bytes_sent ?? 0)}`,
    `  Packets received: ${counters.packets_received ?? 0}`,
    `  Packets sent: ${counters.packets_sent ?? 0}`,
    ...section("Bond", state.bond, BOND),
    ...section("Bridge", state.bridge, BRIDGE),
    ...section("VLAN", state.vlan, VLAN),
  );
  return lines.join("\n") + "\n";
}

function section(
  title: string,
  values: Readonly<Record<string, unknown>> | null | undefined,
  lines: readonly Line[],
): string[] {
  if (!values) return [];
  const text = (value: unknown) => Array.isArray(value) ? value.join(", ") : String(value ?? "");
  return ["", `${title}:`, ...lines.map(([label, key]) => `  ${label}: ${text(values[key])}`)];
}
