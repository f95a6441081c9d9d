/** Configuration keys of networks that name a zone. */
export const ZONE_KEYS_OF_NETWORKS = [
  "dns.zone.forward",
  "dns.zone.reverse.ipv4",
  "dns.zone.reverse.ipv6",
] as const;
