/** instance_type of a request: "c2-m4" (CPUs, GiB of memory). Pure. */
import { Fault } from "#base/errors.ts";

/** @throws {Fault} bad_request for a type of a cloud that this server has no table of. */
export function instanceTypeLimits(type: string): Readonly<Record<string, string>> {
  if (type === "") return {};
  const match = /^(?:c(\d+))?-?(?:m(\d+(?:\.\d+)?))?$/.exec(type);
  if (match === null || (match[1] === undefined && match[2] === undefined)) {
    throw new Fault("bad_request", `Bad instance type "${type}"`, {
      hint: 'Use "c2-m4" for two CPUs and 4 GiB of memory.',
    });
  }
  return {
    ...(match[1] !== undefined && { "limits.cpu": match[1] }),
    ...(match[2] !== undefined && { "limits.memory": `${Math.round(Number(match[2]) * 1024)}MiB` }),
  };
}
