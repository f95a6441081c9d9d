/** Which volumes and snapshots of a pool use which layers. In memory; the manifests are the truth. */
export class LayerUsers {
  readonly #lowers = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();

  set(owner: string, lowers: readonly string[]): void {
    this.forget(owner);
    this.#lowers.set(owner, lowers);
    for (const lower of lowers) this.#counts.set(lower, this.count(lower) + 1);
  }

  forget(owner: string): void {
    for (const lower of this.#lowers.get(owner) ?? []) {
      const left = this.count(lower) - 1;
      if (left > 0) this.#counts.set(lower, left);
      else this.#counts.delete(lower);
    }
    this.#lowers.delete(owner);
  }

  rename(owner: string, newOwner: string): void {
    const lowers = this.lowersOf(owner);
    this.forget(owner);
    this.set(newOwner, lowers);
  }

  lowersOf(owner: string): readonly string[] {
    return this.#lowers.get(owner) ?? [];
  }

  count(lower: string): number {
    return this.#counts.get(lower) ?? 0;
  }
}
