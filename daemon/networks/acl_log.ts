/** What the rules of an ACL logged, out of the kernel's log. */
import type { AclRow } from "#api/config/network_acl.ts";
import { run } from "#daemon/host/run.ts";

/** A packet, in LXD's words. */
export interface AclLogEntry {
  readonly time: string;
  readonly proto: string;
  readonly src: string;
  readonly dst: string;
  readonly src_port?: string;
  readonly dst_port?: string;
  readonly icmp_type?: string;
  readonly icmp_code?: string;
  readonly action: string;
}

/** Oldest first, as far back as the kernel remembers. */
export async function readAclLog(acl: AclRow): Promise<AclLogEntry[]> {
  const lines = (await run(["dmesg", "--time-format=iso"])).split("\n");
  return lines.flatMap((line) => parseAclLine(line, acl) ?? []);
}

/**
 * A line of the kernel's log; undefined: not of this ACL, or of a rule that it has no more. Pure.
 *
 * @see acl_rules.ts for the prefix, net/netfilter/nf_log_syslog.c for what follows it
 */
export function parseAclLine(line: string, acl: AclRow): AclLogEntry | undefined {
  const [, time = "", id, direction, index, rest = ""] =
    /^(\S+) lxd_acl(\d+)-(ingress|egress)-(\d+) (.*)$/.exec(line) ?? [];
  if (Number(id) !== acl.id) return undefined;
  const rule = acl[direction === "egress" ? "egress" : "ingress"][Number(index)];
  if (rule === undefined) return undefined;
  // An ICMP error quotes the packet that it is about, in brackets.
  const said = new Map(
    rest.replace(/\[.*\]/, "").split(" ").map((word) => word.split("=") as [string, string]),
  );
  const named = (key: string, field: string) => {
    const value = said.get(field);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    time: new Date(time.replace(",", ".")).toISOString(),
    proto: said.get("PROTO")?.toLowerCase() ?? "",
    src: said.get("SRC") ?? "",
    dst: said.get("DST") ?? "",
    ...named("src_port", "SPT"),
    ...named("dst_port", "DPT"),
    ...named("icmp_type", "TYPE"),
    ...named("icmp_code", "CODE"),
    action: rule.action,
  };
}
