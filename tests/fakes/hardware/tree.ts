/** Made-up parts of /sys, /proc, /dev and /run by path; one that ends in / is an empty directory. */
import { must } from "#tests/world/run.ts";

export type Tree = Readonly<Record<string, string | Uint8Array<ArrayBuffer> | Link | BlockNode>>;

/** A node below /dev. */
export interface BlockNode {
  readonly major: number;
  readonly minor: number;
}

export interface Link {
  readonly target: string;
}

/** A link as sysfs has them: relative to where it stands, no further up than needed. */
export function link(from: string, to: string): Tree {
  const [here, there] = [from.split("/"), to.split("/")];
  const common = here.findIndex((part, index) => part !== there[index]);
  const up = "../".repeat(here.length - 1 - common);
  return { [from]: { target: `${up}${there.slice(common).join("/")}` } };
}

/** Files below a directory; a number stands as text. */
export function files(at: string, values: Readonly<Record<string, string | number>>): Tree {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${at}/${name}`, `${value}\n`]),
  );
}

export async function writeTree(root: string, tree: Tree): Promise<void> {
  for (const [path, value] of Object.entries(tree)) {
    const full = `${root}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    if (path.endsWith("/")) continue;
    const mode = typeof value === "string" && value.startsWith("#!") ? 0o755 : 0o644;
    if (typeof value === "string") await Deno.writeTextFile(full, value, { mode });
    else if (value instanceof Uint8Array) await Deno.writeFile(full, value);
    else if ("target" in value) await Deno.symlink(value.target, full);
    else await must(["mknod", full, "b", `${value.major}`, `${value.minor}`]);
  }
}
