/** instance_type of a request: "c2-m4" (CPUs, GiB of memory). Pure. */
import { Fault } from "#base/errors.ts";

/** @throws {Fault} bad_request for a type of a cloud that this server has no table of. */
export function instanceTypeLimits(type: string): Readonly<Record<string, string>> {
  if (type === "") return {};
  const match = /^(?:c(\d+(?:\.\d+)?))?-?(?:m(\d+(?:\.\d+)?))?$/.exec(type);
  const [, cpus, memory] = match ?? [];
  if (cpus === undefined && memory === undefined) {
    throw new Fault("bad_request", `Bad instance type "${type}"`, {
      hint: 'Use "c2-m4" for two CPUs and 4 GiB of memory.',
    });
  }
  return { ...cpuLimits(Number(cpus ?? 0)), ...memoryLimit(Number(memory ?? 0)) };
}

/** A part of a CPU is a share of the time of one more. */
function cpuLimits(cpus: number): Record<string, string> {
  if (cpus <= 0) return {};
  const whole = Math.ceil(cpus);
  const percent = Math.floor(cpus / whole * 100);
  return {
    "limits.cpu": String(whole),
    ...(percent < 100 && { "limits.cpu.allowance": `${percent}%` }),
  };
}

/** In LXD's unit: 1024 MB for each GiB that is asked for. */
function memoryLimit(gibibytes: number): Record<string, string> {
  return gibibytes > 0 ? { "limits.memory": `${Math.floor(gibibytes * 1024)}MB` } : {};
}
