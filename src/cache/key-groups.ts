/** Keys by what they have in common, so that what concerns a few of many is found without looking at all. */
export class KeyGroups {
  readonly #groups = new Map<string, Set<string>>();

  add(group: string, key: string): void {
    const keys = this.#groups.get(group);
    if (keys === undefined) this.#groups.set(group, new Set([key]));
    else keys.add(key);
  }

  delete(group: string, key: string): void {
    const keys = this.#groups.get(group);
    if (keys?.delete(key) && keys.size === 0) this.#groups.delete(group);
  }

  /** As they are now: they may be deleted meanwhile. */
  keys(group: string): readonly string[] {
    return [...(this.#groups.get(group) ?? [])];
  }

  get size(): number {
    return this.#groups.size;
  }
}
