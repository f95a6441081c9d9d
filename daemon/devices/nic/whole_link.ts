/** Nics that hand a link of the host to the container whole, and take it back. */
import type { Undo } from "#base/undo.ts";
import { run } from "#daemon/host/run.ts";
import type { Nic, NicKind } from "./kind.ts";
import { keepNamespace, rememberLink } from "./namespace.ts";
import { inside } from "./veth.ts";

/** What differs between them. */
export interface WholeLink {
  /** Make the link ready. @returns its name on the host, and inside. */
  prepare(nic: Nic, undo: Undo): Promise<{ readonly link: string; readonly name: string }>;
  /** Take it back out of the container. Idempotent. */
  giveBack(nic: Nic): Promise<void>;
}

/** All but how the link is got and given back, in which physical and sriov differ. */
export function wholeLink(
  { prepare, giveBack }: WholeLink,
): Pick<NicKind, "start" | "stop" | "plug" | "unplug"> {
  return {
    async start(nic, undo) {
      const { link, name } = await prepare(nic, undo);
      const line = (key: string, value: string): [string, string] => [`lxc.net.{n}.${key}`, value];
      return {
        lxc: [line("type", "phys"), line("flags", "up"), line("link", link), line("name", name)],
        afterStart: (pid) => keepNamespace(nic.device, pid, name),
      };
    },
    stop: giveBack,
    async plug(nic, pid, undo) {
      const { link, name } = await prepare(nic, undo);
      await keepNamespace(nic.device, pid, name);
      await run(["ip", "link", "set", "dev", link, "netns", String(pid), "name", name]);
      await rememberLink(nic.device, name);
      await run(inside(pid, "ip", "link", "set", "dev", name, "up"));
    },
    unplug: giveBack,
  };
}
