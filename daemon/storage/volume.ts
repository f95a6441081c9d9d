/** What a volume is, and how it is named on disk. Pure. */
import { inProject } from "#daemon/paths.ts";

export type VolumeKind = "container" | "custom";
export type VolumeContent = "filesystem" | "block";

export interface Volume {
  readonly kind: VolumeKind;
  /** Containers are file systems. */
  readonly content: VolumeContent;
  /** Name on disk: "web", "project_web"; of custom volumes always "<project>_<name>". */
  readonly name: string;
  /** Effective configuration for making it: its own keys over the pool's `volume.*`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Folders of a pool as LXD lays them out. */
export const FOLDERS = {
  container: { volumes: "containers", snapshots: "containers-snapshots" },
  custom: { volumes: "custom", snapshots: "custom-snapshots" },
} as const satisfies Readonly<Record<VolumeKind, { volumes: string; snapshots: string }>>;

/** Every folder that a pool has, in LXD's words. */
export const POOL_FOLDERS = [
  "containers",
  "containers-snapshots",
  "custom",
  "custom-snapshots",
  "images",
  "virtual-machines",
  "virtual-machines-snapshots",
] as const;

/** LXD's default for a disk and for volumes of pools that must give each a size. */
export const DEFAULT_DISK_BYTES = 10 * 2 ** 30;

/** Named without its project if that is the default, as LXD does. */
export function containerVolume(
  project: string,
  name: string,
  config?: Volume["config"],
): Volume {
  const disk = inProject(project, name);
  return { kind: "container", content: "filesystem", name: disk, ...config && { config } };
}

/** Named with its project, also the default. */
export function customVolume(
  project: string,
  name: string,
  options: { content?: VolumeContent; config?: Volume["config"] } = {},
): Volume {
  return {
    kind: "custom",
    content: options.content ?? "filesystem",
    name: `${project}_${name}`,
    ...options.config && { config: options.config },
  };
}
