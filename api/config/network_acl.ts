/** Network ACLs: their fields and what a rule may say. Pure. */
import { Fault, messageOf } from "#base/errors.ts";
import { parseAddress, parseSubnet } from "#base/ip.ts";
import { parsePorts } from "./network_forward.ts";

export interface AclRule {
  readonly action: string;
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: string;
  readonly source_port?: string;
  readonly destination_port?: string;
  readonly icmp_type?: string;
  readonly icmp_code?: string;
  readonly description?: string;
  readonly state: string;
}

export interface AclRow {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly ingress: readonly AclRule[];
  readonly egress: readonly AclRule[];
  readonly config: Readonly<Record<string, string>>;
}

const ACL_ACTIONS = ["allow", "reject", "drop"] as const;
const ACL_STATES = ["enabled", "disabled", "logged"] as const;
const ACL_PROTOCOLS = ["icmp4", "icmp6", "tcp", "udp"] as const;

/** Fields of a rule in LXD's order; those but action and state are left out when empty. */
export const ACL_RULE_FIELDS = [
  "action",
  "source",
  "destination",
  "protocol",
  "source_port",
  "destination_port",
  "icmp_type",
  "icmp_code",
  "description",
  "state",
] as const;

/** Stand for groups of interfaces, where the network is of type ovn. */
const SELECTORS = ["@internal", "@external", "#internal", "#external"];

/** @throws {Fault} bad_request */
export function checkAclName(name: string): void {
  const wrong = (why: string) =>
    new Fault("bad_request", `Invalid network ACL name "${name}": ${why}`);
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (name.length > 63) throw wrong("Name must be 1-63 characters long");
  if (/^\d+$/.test(name)) throw wrong("Name cannot be a number");
  if (/^-|-$/.test(name)) throw wrong(`Name must not start or end with "-" character`);
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    throw wrong("Name can only contain alphanumeric and hyphen characters");
  }
}

/** @throws {Fault} bad_request */
export function checkAclConfig(config: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    throw new Fault("bad_request", `Invalid network ACL configuration key "${key}"`, {
      hint: "An ACL has user.* keys.",
    });
  }
}

/** "80, 90-92": without blanks, as rules are kept. */
export function normalRule(rule: Partial<AclRule>): AclRule {
  const trim = (text = "") => text.split(",").map((one) => one.trim()).join(",");
  const kept: Record<string, string> = {};
  for (const field of ACL_RULE_FIELDS) {
    const value = rule[field] ?? "";
    const isList = /source|destination/.test(field);
    if (value !== "") kept[field] = isList ? trim(value) : value.trim();
  }
  return { ...kept, action: kept["action"] ?? "", state: kept["state"] ?? "" };
}

/**
 * Check the rules of an ACL.
 *
 * @param names of all ACLs of its project: a rule may name them as source or destination.
 * @throws {Fault} bad_request naming the rule and what is wrong with it.
 */
export function checkAclRules(
  acl: Pick<AclRow, "ingress" | "egress">,
  names: ReadonlySet<string>,
): void {
  for (const direction of ["ingress", "egress"] as const) {
    const seen = new Set<string>();
    for (const [index, rule] of acl[direction].entries()) {
      try {
        checkRule(rule, names);
      } catch (error) {
        throw new Fault(
          "bad_request",
          `Invalid ${direction} rule ${index}: ${messageOf(error)}`,
          { cause: error },
        );
      }
      const { state: _state, description: _description, ...what } = rule;
      const key = JSON.stringify(Object.entries(what).sort());
      if (seen.has(key)) throw new Fault("bad_request", `Duplicate of ${direction} rule ${index}`);
      seen.add(key);
    }
  }
}

function checkRule(rule: AclRule, names: ReadonlySet<string>): void {
  const oneOf = (field: string, value: string, allowed: readonly string[]) => {
    if (allowed.includes(value)) return;
    throw new Error(`${field} must be one of: ${allowed.join(", ")}`);
  };
  oneOf("Action", rule.action, ACL_ACTIONS);
  oneOf("State", rule.state, ACL_STATES);
  const families = new Set([
    ...checkSubjects("Source", rule.source ?? "", names),
    ...checkSubjects("Destination", rule.destination ?? "", names),
  ]);
  const protocol = rule.protocol ?? "";
  if (protocol !== "") oneOf("Protocol", protocol, ACL_PROTOCOLS);
  const hasPorts = (rule.source_port ?? "") !== "" || (rule.destination_port ?? "") !== "";
  const hasIcmp = (rule.icmp_type ?? "") !== "" || (rule.icmp_code ?? "") !== "";
  const isPorts = protocol === "tcp" || protocol === "udp";
  const isIcmp = protocol === "icmp4" || protocol === "icmp6";
  if (hasPorts && !isPorts) {
    throw new Error("Source and destination port can only be used with tcp or udp protocol");
  }
  if (hasIcmp && !isIcmp) {
    throw new Error("ICMP type and code can only be used with icmp4 or icmp6 protocol");
  }
  for (const ports of [rule.source_port, rule.destination_port]) {
    if (ports !== undefined && ports !== "") parsePorts(ports);
  }
  for (const [what, value] of [["type", rule.icmp_type], ["code", rule.icmp_code]] as const) {
    if (value === undefined || value === "") continue;
    if (!/^\d{1,3}$/.test(value) || Number(value) > 255) {
      throw new Error(`Invalid ICMP ${what} "${value}": want a number from 0 to 255`);
    }
  }
  const other = protocol === "icmp4" ? 6 : 4;
  if (isIcmp && families.has(other)) {
    throw new Error(`Cannot use IPv${other} subjects with ${protocol} protocol`);
  }
}

/** @returns the families of its addresses. */
function checkSubjects(field: string, text: string, names: ReadonlySet<string>): Set<4 | 6> {
  const families = new Set<4 | 6>();
  for (const subject of text.split(",").filter((one) => one !== "")) {
    if (SELECTORS.includes(subject) || names.has(subject)) continue;
    const family = subjectFamily(subject);
    if (family === undefined) throw new Error(`Invalid ${field}: Invalid subject "${subject}"`);
    families.add(family);
  }
  return families;
}

/** Family of "10.1.2.3", "10.1.2.0/24" or "10.1.2.3-10.1.2.9"; undefined if it is none of them. */
export function subjectFamily(subject: string): 4 | 6 | undefined {
  if (subject.includes("/")) return parseSubnet(subject)?.family;
  const [first = "", last] = subject.split("-");
  const from = parseAddress(first);
  if (from === undefined || last === undefined) return from?.family;
  const to = parseAddress(last);
  return to?.family === from.family && to.value >= from.value ? from.family : undefined;
}
