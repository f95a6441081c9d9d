/** What the containers of a `dir` pool are made of: their manifests, and the layers that they share. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { exists } from "#daemon/host/files.ts";
import type { Trash } from "#daemon/storage/trash.ts";
import { LayerUsers } from "./layer_users.ts";
import { Parts } from "./parts.ts";
import type { ProjectQuotas } from "./project_quota.ts";
import { findManifest, type Manifest, readManifest, writeManifest } from "./manifest.ts";

export interface LayersDeps {
  readonly root: HostPath;
  readonly trash: Trash;
  readonly quotas?: ProjectQuotas | undefined;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  readonly onError: (what: string, error: unknown) => void;
}

/** A volume or snapshot: its directory is also its key as a user of layers. */
export class Layers {
  readonly #deps: LayersDeps;
  readonly users = new LayerUsers();
  readonly parts: Parts;

  constructor(deps: LayersDeps) {
    this.#deps = deps;
    this.parts = new Parts(deps.trash);
  }

  at(...parts: string[]): HostPath {
    return hostPath([this.#deps.root, ...parts].join("/"));
  }

  /** Topmost first. */
  paths(manifest: Manifest): string[] {
    return manifest.lowers.map((lower) =>
      this.at(lower, lower.startsWith("images/") ? "rootfs" : "upper")
    );
  }

  /** The manifest, after finishing a step that was interrupted. @throws {Fault} not_found */
  async load(directory: HostPath): Promise<Manifest> {
    const manifest = await readManifest(directory);
    const { pending, ...settled } = manifest;
    if (pending === undefined) return manifest;
    const { trash } = this.#deps;
    const upper = hostPath(`${directory}/overlay/upper`);
    switch (pending.step) {
      case "seal": {
        const target = this.at(pending.layer, "upper");
        if (!await exists(target)) {
          await Deno.mkdir(this.at(pending.layer), { recursive: true, mode: 0o711 });
          await Deno.rename(upper, target);
        }
        await this.#deps.quotas?.release(target);
        break;
      }
      case "reset":
        await this.parts.emptyUpper(directory);
        await this.parts.drop(directory, "plain");
        break;
      case "swap":
        if (await exists(`${directory}/rootfs.new`)) {
          await trash.discard(hostPath(`${directory}/rootfs`));
          await Deno.rename(`${directory}/rootfs.new`, `${directory}/rootfs`);
        }
        await trash.discard(hostPath(`${directory}/rootfs.img`));
        await this.parts.drop(directory, "overlay");
        break;
      case "drop":
        await this.parts.drop(directory, "overlay");
        break;
    }
    if (settled.kind === "overlay") await this.parts.makeUpper(directory);
    await this.write(directory, settled);
    return settled;
  }

  async write(directory: HostPath, manifest: Manifest): Promise<void> {
    await writeManifest(directory, manifest);
    this.users.set(directory, manifest.lowers);
  }

  /** Make a layer; it is there when it is whole. */
  async build(layer: string, make: (path: HostPath) => Promise<void>): Promise<void> {
    await this.#deps.trash.build(this.at(layer), make);
  }

  /** Discard those layers that nobody uses any more; images only once they are deleted. */
  async collect(lowers: readonly string[]): Promise<void> {
    for (const lower of lowers) {
      if (this.users.count(lower) > 0) continue;
      const [kind = "", id = ""] = lower.split("/");
      if (kind === "images" && await this.#deps.imageExists(id)) continue;
      await this.#deps.trash.discard(this.at(kind, id));
    }
  }

  /** Register what a volume uses; one whose making was interrupted has no manifest yet. */
  async learn(directory: HostPath): Promise<void> {
    try {
      const manifest = await findManifest(directory);
      if (manifest !== undefined) this.users.set(directory, manifest.lowers);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#deps.onError(`read volume "${directory}"`, error);
    }
  }
}
