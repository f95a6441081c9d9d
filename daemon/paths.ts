/** Where things lie under the state directory. @see LXD sys/fs layout */
import { type HostPath, hostPath } from "#base/brand.ts";

export interface Paths {
  /** $LXD_DIR or /var/lib/lxd. */
  readonly root: HostPath;
  /** $LXD_DIR/logs or /var/log/lxd. */
  readonly logs: HostPath;
  /** $LXD_DIR/cache or /var/cache/lxd. */
  readonly cache: HostPath;
  /** Path below the state directory. */
  at(...parts: string[]): HostPath;
  /** Log directory of an instance ("<project>_<name>" outside the default project). */
  instanceLogs(project: string, name: string): HostPath;
}

/** @param lxdDir The value of $LXD_DIR, undefined if unset. */
export function paths(lxdDir: string | undefined): Paths {
  const root = hostPath(lxdDir ?? "/var/lib/lxd");
  const logs = hostPath(lxdDir === undefined ? "/var/log/lxd" : `${lxdDir}/logs`);
  const cache = hostPath(lxdDir === undefined ? "/var/cache/lxd" : `${lxdDir}/cache`);
  return {
    root,
    logs,
    cache,
    at: (...parts) => hostPath([root, ...parts].join("/")),
    instanceLogs: (project, name) => hostPath(`${logs}/${inProject(project, name)}`),
  };
}

/** Name on disk: plain in the default project, "<project>_<name>" elsewhere. */
export function inProject(project: string, name: string): string {
  return project === "default" ? name : `${project}_${name}`;
}
