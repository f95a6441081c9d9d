/** `unix-char` and `unix-block`: a device node of the host, also one that comes and goes. */
import { UNIX_KEYS } from "#api/config/device_unix.ts";
import { Fault } from "#base/errors.ts";
import { isFalse } from "#base/units.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { Device, DeviceConfig, DeviceType } from "./device.ts";
import { type HostNode, isThere, statNode } from "./node.ts";
import { nodeDevice } from "./node_device.ts";

export const unixChar = unixType("unix-char", "c");
export const unixBlock = unixType("unix-block", "b");

function unixType(type: "unix-char" | "unix-block", letter: "c" | "b"): DeviceType {
  return nodeDevice({
    type,
    validate(name, config, context) {
      checkDeviceKeys(name, config, UNIX_KEYS);
      if (sourceOf(config) === "") {
        throw invalidDevice(
          name,
          'Unix device entry is missing the required "source" or "path" property',
        );
      }
      const isHere = context.instance !== undefined;
      if (isHere && !isFalse(config["required"])) requireNumbers(name, config);
    },
    find: (device) => find(device, letter),
    isRequired: (config) => !isFalse(config["required"]),
    missing: ({ config }) => `there is no "${sourceOf(config)}"`,
    watched: (config) => isFalse(config["required"]) ? { path: sourceOf(config) } : undefined,
  });
}

/** Path on the host. */
function sourceOf(config: DeviceConfig): string {
  return config["source"] || config["path"] || "";
}

/** As in LXD, half a pair is none. */
function numbersOf(config: DeviceConfig): { major: number; minor: number } | undefined {
  const { major = "", minor = "" } = config;
  return major === "" || minor === "" ? undefined : { major: Number(major), minor: Number(minor) };
}

function requireNumbers(name: string, config: DeviceConfig): void {
  const source = sourceOf(config);
  if (numbersOf(config) !== undefined || statNode(source) !== undefined) return;
  if (isThere(source)) throw invalidDevice(name, `"${source}" is no device node`);
  throw invalidDevice(
    name,
    "The required device path doesn't exist and the major and minor settings are not specified",
    "Set required=false for a device that comes later.",
  );
}

function find(device: Device, letter: "c" | "b"): HostNode[] {
  const { config, name } = device;
  const path = "/" + (config["path"] || config["source"] || "").replace(/^\/+/, "");
  const found = statNode(sourceOf(config));
  const given = numbersOf(config);
  if (given !== undefined) return [{ letter, ...given, path }];
  if (found === undefined) return [];
  if (found.letter !== letter) {
    const kind = found.letter === "c" ? "character" : "block";
    throw new Fault(
      "bad_request",
      `Failed to start device "${name}": "${sourceOf(config)}" is a ${kind} device`,
      { hint: `Use the type unix-${found.letter === "c" ? "char" : "block"}.` },
    );
  }
  return [{ ...found, path }];
}
