/** Opens liblxc on first use and checks that its version is one we know the layout of. */
import { Fault } from "#base/errors.ts";
import { LIBLXC } from "./raw.ts";

type Symbols = Deno.DynamicLibrary<typeof LIBLXC>["symbols"];
let symbols: Symbols | undefined;

/** @throws {Fault} unavailable if liblxc is missing or too old. */
export function liblxc(): Symbols {
  if (symbols !== undefined) return symbols;
  let opened: Symbols;
  try {
    opened = Deno.dlopen("liblxc.so.1", LIBLXC).symbols;
  } catch (error) {
    throw new Fault("unavailable", "cannot load liblxc.so.1", {
      cause: error,
      hint: "Install it: apt-get install liblxc1",
    });
  }
  const version = textAt(opened.lxc_get_version());
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (major * 1e6 + minor * 1e3 + patch < 4_000_012) {
    throw new Fault("unavailable", `liblxc ${version} is too old`, {
      hint: "Version 4.0.12 or newer is needed.",
    });
  }
  symbols = opened;
  return opened;
}

/** "5.0.2" */
export function lxcVersion(): string {
  return textAt(liblxc().lxc_get_version());
}

/** Copy a NUL-ended text; "" for NULL. The memory stays liblxc's. */
export function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}
