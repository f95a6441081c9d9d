/** Limits of a project: numbers of things, and sums over what instances and volumes may use. Pure. */
import { Fault } from "#base/errors.ts";
import { parseBytes } from "#base/units.ts";
import type { Configured, ProjectContent } from "./content.ts";

type Summed = "cpu" | "memory" | "processes" | "disk";
/** strict: each must have a limit of its own. */
type Mode = "strict" | "known";
const SUMMED: readonly Summed[] = ["cpu", "disk", "memory", "processes"];
const BYTES: readonly Summed[] = ["memory", "disk"];

const limitOf = ({ project }: ProjectContent, key: string): string =>
  project.config[`limits.${key}`] ?? "";

const parse = (kind: Summed, text: string) =>
  BYTES.includes(kind) ? parseBytes(text) : Number(text);

/**
 * @param what "change": there would be too much; "limit": the limit would be too low.
 * @throws {Fault} bad_request naming the limit and how it would be broken.
 */
export function checkLimits(content: ProjectContent, what: "limit" | "change" = "change"): void {
  const { name } = content.project;
  const count = content.instances.length;
  checkCount(
    content,
    "instances",
    count,
    {
      limit: `there currently are ${count} instances in project "${name}"`,
      change: `Reached maximum number of instances in project "${name}"`,
    }[what],
    what,
  );
  checkCount(
    content,
    "containers",
    count,
    {
      limit: `there currently are ${count} instances of type container in project "${name}"`,
      change: `Reached maximum number of instances of type "container" in project "${name}"`,
    }[what],
    what,
  );
  checkCount(
    content,
    "networks",
    content.networks,
    {
      limit: `there currently are ${content.networks} networks in project "${name}"`,
      change: `Networks limit has been reached for project "${name}"`,
    }[what],
    what,
  );
  for (const kind of SUMMED) checkSum(content, kind, what);
}

function checkCount(
  content: ProjectContent,
  key: string,
  total: number,
  text: string,
  what: "limit" | "change",
): void {
  const limit = limitOf(content, key);
  if (limit === "" || total <= Number(limit)) return;
  throw new Fault(
    "bad_request",
    what === "limit" ? `"limits.${key}" is too low: ${text}` : text,
    { hint: `limits.${key} of the project is ${limit}.` },
  );
}

function checkSum(content: ProjectContent, kind: Summed, what: "limit" | "change"): void {
  const limit = limitOf(content, kind);
  if (limit === "") return;
  const total = sumOf(content, kind, "strict");
  if (total <= parse(kind, limit)) return;
  const { name } = content.project;
  throw new Fault(
    "bad_request",
    what === "limit"
      ? `"limits.${kind}" is too low: the current aggregate value is ${total} in project "${name}"`
      : `Reached maximum aggregate value "${limit}" for "limits.${kind}" in project "${name}"`,
    { hint: `lxc project info ${name}` },
  );
}

/** What instances and volumes may use together. @throws {Fault} bad_request in strict mode. */
function sumOf(content: ProjectContent, kind: Summed, mode: Mode): number {
  let sum = 0;
  for (const instance of content.instances) sum += ofInstance(content, instance, kind, mode);
  if (kind !== "disk") return sum;
  for (const { name, size } of content.volumes) {
    if (size === undefined && mode === "strict") {
      throw new Fault(
        "bad_request",
        `Custom volume "${name}" in project "${content.project.name}" has no "size" config set`,
      );
    }
    sum += size ?? 0;
  }
  return sum;
}

function ofInstance(
  { project }: ProjectContent,
  instance: Configured,
  kind: Summed,
  mode: Mode,
): number {
  const value = kind === "disk" ? rootSize(instance) : instance.config[`limits.${kind}`] ?? "";
  const problem = problemWith(kind, value);
  if (problem === undefined) return parse(kind, value);
  if (mode === "known") return 0;
  throw new Fault(
    "bad_request",
    `Instance "${instance.name}" in project "${project.name}" ${problem}`,
    { hint: "The project limits the sum, so that each of its instances needs a number." },
  );
}

function rootSize({ devices }: Configured): string {
  const root = Object.values(devices).find((device) =>
    device["type"] === "disk" && device["path"] === "/"
  );
  return root?.["size"] ?? "";
}

function problemWith(kind: Summed, value: string): string | undefined {
  if (value === "") {
    return kind === "disk"
      ? 'has no "size" config set on the root device either directly or via a profile'
      : `has no "limits.${kind}" config, either directly or via a profile`;
  }
  if (kind === "memory" && value.endsWith("%")) {
    return `has a percentage for "limits.memory": Value can't be a percentage`;
  }
  if (kind === "cpu" && !/^\d+$/.test(value)) {
    return `pins CPUs by "limits.cpu": CPU pinning is not possible with a project limit`;
  }
  return undefined;
}

/** Bytes that images may still take; undefined: any number. */
export function imageBudget(content: ProjectContent): number | undefined {
  const limit = limitOf(content, "disk");
  if (limit === "") return undefined;
  return Math.max(0, parseBytes(limit) - sumOf(content, "disk", "known"));
}

/** For the state of a project; -1: no limit. */
export function usageOf(content: ProjectContent): Record<string, { Limit: number; Usage: number }> {
  const count = (key: string) => {
    const text = limitOf(content, key);
    return text === "" ? -1 : Number(text);
  };
  const sum = (kind: Summed) => {
    const text = limitOf(content, kind);
    return {
      Limit: text === "" ? -1 : parse(kind, text),
      Usage: sumOf(content, kind, "known"),
    };
  };
  const instances = content.instances.length;
  return {
    containers: { Limit: count("containers"), Usage: instances },
    cpu: sum("cpu"),
    disk: sum("disk"),
    instances: { Limit: count("instances"), Usage: instances },
    memory: sum("memory"),
    networks: { Limit: count("networks"), Usage: content.networks },
    processes: sum("processes"),
    "virtual-machines": { Limit: count("virtual-machines"), Usage: 0 },
  };
}
