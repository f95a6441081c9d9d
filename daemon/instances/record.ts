/** An instance as the daemon works with it: its rows, joined, and its expanded configuration. */

export type Config = Readonly<Record<string, string>>;
export type Devices = Readonly<Record<string, Config>>;

/** What one profile contributes. */
export interface ProfileLayer {
  readonly id: number;
  readonly name: string;
  readonly config: Config;
  readonly devices: Devices;
}

export interface InstanceRecord {
  readonly id: number;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  /** LXD's number: 1 i686, 2 x86_64, 4 aarch64 ... */
  readonly architecture: number;
  readonly isEphemeral: boolean;
  readonly createdAt: string;
  /** "" if it never ran. */
  readonly lastUsedAt: string;
  /** It is being made, or its making was interrupted. */
  readonly isHalfMade: boolean;
  readonly config: Config;
  readonly devices: Devices;
  /** In the order in which they apply. */
  readonly profiles: readonly ProfileLayer[];
  /** Profiles in order, then local values. */
  readonly expandedConfig: Config;
  readonly expandedDevices: Devices;
}

export interface SnapshotRecord {
  readonly id: number;
  readonly instanceId: number;
  readonly name: string;
  readonly createdAt: string;
  /** "" : never. */
  readonly expiresAt: string;
  readonly isStateful: boolean;
  readonly isEphemeral: boolean;
  readonly architecture: number;
  readonly profiles: readonly string[];
  readonly config: Config;
  readonly devices: Devices;
  readonly expandedConfig: Config;
  readonly expandedDevices: Devices;
}

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

export function architectureName(id: number): string {
  return ARCHITECTURES[id] ?? "unknown";
}
