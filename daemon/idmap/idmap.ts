/** Id maps: which ids of a container's user namespace are which ids of the host. Pure. */

export interface IdMapEntry {
  readonly isUid: boolean;
  readonly isGid: boolean;
  /** First id inside the container. */
  readonly nsId: number;
  /** First id on the host. */
  readonly hostId: number;
  readonly size: number;
}

/** The map of an unprivileged container; a privileged one has `null` instead of an IdMap. */
export type IdMap = readonly IdMapEntry[];
