/** nvidia.*: the host's driver in a container, by liblxc's hook and NVIDIA's own tools. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { nvidiaCards } from "#daemon/devices/gpu.ts";
import { missingTool } from "#daemon/host/run.ts";
import type { LxcLine } from "./plan.ts";
import type { InstanceRecord } from "./record.ts";

export interface NvidiaTools {
  /** liblxc's hook; undefined: it is not there. */
  readonly hook: string | undefined;
  /** nvidia-container-cli, which the hook calls, is in PATH. */
  readonly hasCli: boolean;
}

const HOOK = "/usr/share/lxc/hooks/nvidia";
const CAPABILITIES = "compute,utility";

/** What of them is installed now. */
export async function findNvidiaTools(): Promise<NvidiaTools> {
  return {
    hook: await Deno.stat(HOOK).then(() => HOOK, () => undefined),
    hasCli: await missingTool(["nvidia-container-cli"]) === undefined,
  };
}

/**
 * What nvidia.runtime adds to lxc.conf.
 *
 * @throws {Fault} unavailable without the tools.
 */
export function nvidiaLines(
  { expandedConfig: config, expandedDevices }: Pick<
    InstanceRecord,
    "expandedConfig" | "expandedDevices"
  >,
  { hook, hasCli }: NvidiaTools,
  root = "/",
): LxcLine[] {
  if (!isTrue(config["nvidia.runtime"])) return [];
  if (hook === undefined) throw missing("The NVIDIA LXC hook couldn't be found", "liblxc-common");
  if (!hasCli) {
    throw missing("The NVIDIA container tools couldn't be found", "libnvidia-container-tools");
  }
  const cards = Object.values(expandedDevices).filter(({ type }) => type === "gpu")
    .flatMap((device) => nvidiaCards(device, root));
  const variables = {
    NVIDIA_VISIBLE_DEVICES: cards.length === 0 ? "none" : cards.join(","),
    NVIDIA_DRIVER_CAPABILITIES: config["nvidia.driver.capabilities"] || CAPABILITIES,
    NVIDIA_REQUIRE_CUDA: config["nvidia.require.cuda"] ?? "",
    NVIDIA_REQUIRE_DRIVER: config["nvidia.require.driver"] ?? "",
  };
  return [
    ...Object.entries(variables).filter(([, value]) => value !== "")
      .map(([name, value]) => ["lxc.environment", `${name}=${value}`] as const),
    ["lxc.hook.mount", hook],
  ];
}

function missing(what: string, pkg: string): Fault {
  return new Fault("unavailable", what, {
    hint: `Install ${pkg}, or unset nvidia.runtime.`,
  });
}
