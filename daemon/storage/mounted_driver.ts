/** What drivers have in common whose volumes are mounted one by one, each as a plain directory. */
import { type HostPath, hostPath } from "#base/brand.ts";
import type { StorageDriver } from "./driver.ts";
import type { VolumeMounts } from "./mounts.ts";
import type { RunningRoot, RunOptions } from "./service.ts";
import type { Volume } from "./volume.ts";

type Members =
  | "directory"
  | "mount"
  | "view"
  | "unmount"
  | "present"
  | "adopt"
  | "settle"
  | "flatten"
  | "close";

/** Members of StorageDriver, documented there. */
export abstract class MountedDriver implements Pick<StorageDriver, Members> {
  protected abstract readonly volumes: VolumeMounts;

  abstract remove(volume: Volume): Promise<void>;

  /** What was just made; it goes if it can't be mounted. */
  protected async mountMade(volume: Volume): Promise<void> {
    try {
      await this.mount(volume);
    } catch (error) {
      await this.remove(volume);
      throw error;
    }
  }

  directory(volume: Volume, snapshot?: string): HostPath {
    return this.volumes.directory(volume, snapshot);
  }

  mount(volume: Volume, snapshot?: string): Promise<HostPath> {
    return this.volumes.mount(volume, snapshot);
  }

  view(volume: Volume, snapshot?: string) {
    return this.volumes.view(volume, snapshot);
  }

  async unmount(volume: Volume): Promise<void> {
    await this.volumes.unmountAll(volume);
  }

  async present(volume: Volume, options: RunOptions): Promise<RunningRoot> {
    const path = hostPath(`${await this.mount(volume)}/rootfs`);
    return { path, lxcIdmap: options.idmap !== null };
  }

  adopt(_volume: Volume): void {
    // It is mounted as it was.
  }

  async settle(volume: Volume): Promise<void> {
    await this.mount(volume);
  }

  flatten(_volume: Volume): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.volumes.close();
  }
}
