import type { ObjectName } from "../domain/content.ts";
import type { ContentStore, StoredObject } from "../domain/content-store.ts";

/**
 * Counts the objects of a store that readers of this process have open, so that no process of the
 * deployment takes them away: heartbeats tell them.
 */
export class OpenObjects {
  readonly #open = new Map<string, { readonly name: ObjectName; readers: number }>();

  /** Told when the last reader here of an object has left it. */
  onLeft: ((name: ObjectName) => void) | undefined;

  /** The store, with every open object counted. */
  counting(store: ContentStore): ContentStore {
    return {
      open: async (name, size) => {
        // Counted first: an eviction that begins now learns of it.
        const give = this.#take(name);
        try {
          const object = await store.open(name, size);
          if (object === undefined) give();
          return object === undefined ? undefined : counted(object, give);
        } catch (error) {
          give();
          throw error;
        }
      },
      stage: (name, spool, size) => store.stage(name, spool, size),
      sweep: (olderThan, signal) => store.sweep(olderThan, signal),
      ping: (signal) => store.ping(signal),
      remove: (name) => store.remove(name),
      list: (signal) => store.list(signal),
    };
  }

  /** What is open now. */
  list(): readonly ObjectName[] {
    return [...this.#open.values()].map(({ name }) => name);
  }

  #take(name: ObjectName): () => void {
    const key = `${name.sha256}/${name.fence}`;
    const entry = this.#open.get(key) ?? { name, readers: 0 };
    entry.readers += 1;
    this.#open.set(key, entry);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      entry.readers -= 1;
      if (entry.readers > 0) return;
      this.#open.delete(key);
      this.onLeft?.(name);
    };
  }
}

function counted(object: StoredObject, give: () => void): StoredObject {
  return {
    size: object.size,
    read: (into, offset) => object.read(into, offset),
    async [Symbol.asyncDispose]() {
      try {
        await object[Symbol.asyncDispose]();
      } finally {
        give();
      }
    },
  };
}
