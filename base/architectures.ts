/** Architectures: LXD's numbers, the kernel's names and the names of distributions. Pure. */

/** LXD's numbers of architectures. @see LXD shared/osarch */
export const ARCHITECTURES: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "i686",
  2: "x86_64",
  3: "armv7l",
  4: "aarch64",
  5: "ppc",
  6: "ppc64",
  7: "ppc64le",
  8: "s390x",
  9: "mips",
  10: "mips64",
  11: "riscv32",
  12: "riscv64",
};

const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = {
  i386: "i686",
  i586: "i686",
  "386": "i686",
  x86: "i686",
  amd64: "x86_64",
  arm: "armv7l",
  armhf: "armv7l",
  armel: "armv7l",
  arm64: "aarch64",
  powerpc: "ppc",
  powerpc64: "ppc64",
  ppc64el: "ppc64le",
  mipsel: "mips",
  mips64el: "mips64",
};

/** 2 for "x86_64" or "amd64"; undefined if unknown. */
export function findArchitecture(name: string): number | undefined {
  const canonical = ARCHITECTURE_ALIASES[name] ?? name;
  for (const [id, known] of Object.entries(ARCHITECTURES)) {
    if (known === canonical && known !== "unknown") return Number(id);
  }
  return undefined;
}

/** The host's own. */
export function hostArchitecture(): number {
  return findArchitecture(Deno.build.arch) ?? 0;
}
