/** A link's settings in words. Pure. @see <linux/ethtool.h> */
import type { LinkDriver, LinkSettings } from "#ffi/libc/ethtool.ts";
import { unlessEmpty } from "./host_files.ts";

/** By bit: ETHTOOL_LINK_MODE_*_BIT; a dash is none of speed. */
const MODES = (
  "10baseT/Half 10baseT/Full 100baseT/Half 100baseT/Full 1000baseT/Half 1000baseT/Full - - " +
  "- - - - 10000baseT/Full - - 2500baseX/Full - 1000baseKX/Full 10000baseKX4/Full " +
  "10000baseKR/Full - 20000baseMLD2/Full 20000baseKR2/Full 40000baseKR4/Full " +
  "40000baseCR4/Full 40000baseSR4/Full 40000baseLR4/Full 56000baseKR4/Full " +
  "56000baseCR4/Full 56000baseSR4/Full 56000baseLR4/Full 25000baseCR/Full 25000baseKR/Full " +
  "25000baseSR/Full 50000baseCR2/Full 50000baseKR2/Full 100000baseKR4/Full " +
  "100000baseSR4/Full 100000baseCR4/Full 100000baseLR4_ER4/Full 50000baseSR2/Full " +
  "1000baseX/Full 10000baseCR/Full 10000baseSR/Full 10000baseLR/Full 10000baseLRM/Full " +
  "10000baseER/Full 2500baseT/Full 5000baseT/Full - - - 50000baseKR/Full 50000baseSR/Full " +
  "50000baseCR/Full 50000baseLR_ER_FR/Full 50000baseDR/Full 100000baseKR2/Full " +
  "100000baseSR2/Full 100000baseCR2/Full 100000baseLR2_ER2_FR2/Full 100000baseDR2/Full " +
  "200000baseKR4/Full 200000baseSR4/Full 200000baseLR4_ER4_FR4/Full 200000baseDR4/Full " +
  "200000baseCR4/Full 100baseT1/Full 1000baseT1/Full 400000baseKR8/Full 400000baseSR8/Full " +
  "400000baseLR8_ER8_FR8/Full 400000baseDR8/Full 400000baseCR8/Full - 100000baseKR/Full " +
  "100000baseSR/Full 100000baseLR_ER_FR/Full 100000baseCR/Full 100000baseDR/Full " +
  "200000baseKR2/Full 200000baseSR2/Full 200000baseLR2_ER2_FR2/Full 200000baseDR2/Full " +
  "200000baseCR2/Full 400000baseKR4/Full 400000baseSR4/Full 400000baseLR4_ER4_FR4/Full " +
  "400000baseDR4/Full 400000baseCR4/Full 100baseFX/Half 100baseFX/Full 10baseT1L/Full"
).split(" ");

/** Bits that are kinds of port. */
const SUPPORTED_PORTS: ReadonlyMap<number, string> = new Map([
  [7, "twisted pair"],
  [8, "AUI"],
  [9, "media-independent"],
  [10, "fibre"],
  [11, "BNC"],
  [16, "backplane"],
]);

/** PORT_* */
const PORTS: ReadonlyMap<number, string> = new Map([
  [0x00, "twisted pair"],
  [0x01, "AUI"],
  [0x02, "media-independent"],
  [0x03, "fibre"],
  [0x04, "BNC"],
  [0x05, "direct attach"],
  [0xef, "none"],
  [0xff, "other"],
]);

const TRANSCEIVERS = ["internal", "external"];
const DUPLEXES = ["half", "full"];
const UNKNOWN_SPEED = 0xffffffff;

/** What a port says of its link; speed and duplex only while it has one. */
export function linkFields(driver: LinkDriver | undefined) {
  const { settings, hasLink = false } = driver ?? {};
  return {
    ...(settings === undefined ? {} : settingsFields(settings)),
    auto_negotiation: settings?.autoNegotiation ?? false,
    link_detected: hasLink,
    ...(settings !== undefined && hasLink ? speedFields(settings) : {}),
  };
}

const settingsFields = ({ supported, port, transceiver }: LinkSettings) => ({
  ...unlessEmpty(
    "supported_modes",
    supported.flatMap((bit) => MODES[bit] ?? "-").filter((mode) => mode !== "-"),
  ),
  ...unlessEmpty("supported_ports", supported.flatMap((bit) => SUPPORTED_PORTS.get(bit) ?? [])),
  ...unlessEmpty("port_type", PORTS.get(port)),
  ...unlessEmpty("transceiver_type", TRANSCEIVERS[transceiver]),
});

const speedFields = ({ speedMbit, duplex }: LinkSettings) => ({
  ...unlessEmpty("link_speed", speedMbit === UNKNOWN_SPEED ? 0 : speedMbit),
  ...unlessEmpty("link_duplex", DUPLEXES[duplex]),
});
