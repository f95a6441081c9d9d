/** Flags that commands of images share. */
import type { FlagSpecs } from "#cli/command.ts";

export const VM_FLAG = {
  vm: { kind: "bool", summary: "Query virtual machine images" },
} as const satisfies FlagSpecs;
