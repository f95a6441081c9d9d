/** Which CPUs each container may use: pinned sets, and counts balanced over the host. Pure. */

/** "0-2,5" -> [0, 1, 2, 5] */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",")) {
    if (part === "") continue;
    const [first = 0, last = first] = part.split("-").map(Number);
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** [0, 1, 2, 5] -> "0-2,5" */
export function formatCpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let index = 0; index < cpus.length; index++) {
    const first = cpus[index] ?? 0;
    let last = first;
    while (cpus[index + 1] === last + 1) {
      last++;
      index++;
    }
    parts.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return parts.join(",");
}

export interface CpuUser {
  readonly id: number;
  /** limits.cpu: "" (all), a count, or a set. */
  readonly wish: string;
}

/**
 * Sets of all running containers. A pinned one gets its set; one with a count gets the CPUs that
 * fewest others use, in the order of ids, so that the result is the same whoever asks.
 *
 * @param cpus CPUs of the host that may be used.
 * @returns id -> CPUs; an id with no limit is absent.
 */
export function balance(
  cpus: readonly number[],
  users: readonly CpuUser[],
): Map<number, readonly number[]> {
  const load = new Map(cpus.map((cpu) => [cpu, 0]));
  const result = new Map<number, readonly number[]>();
  const use = (id: number, set: readonly number[]) => {
    result.set(id, set);
    for (const cpu of set) load.set(cpu, (load.get(cpu) ?? 0) + 1);
  };
  for (const user of users) {
    if (!isPinned(user.wish)) continue;
    const set = parseCpuList(user.wish).filter((cpu) => cpus.includes(cpu));
    if (set.length > 0) use(user.id, set);
  }
  const counted = users.filter((user) => user.wish !== "" && !isPinned(user.wish));
  for (const user of counted.toSorted((a, b) => a.id - b.id)) {
    const count = Math.min(Number(user.wish), cpus.length);
    const free = [...cpus].sort((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0) || a - b);
    use(user.id, free.slice(0, count).sort((a, b) => a - b));
  }
  return result;
}

/** "1-1" and "0,2" pin; "2" is a count. */
export function isPinned(wish: string): boolean {
  return /[-,]/.test(wish);
}
