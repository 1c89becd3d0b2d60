import type { ListedQuota, QuotaCatalog } from "../domain/quotas.ts";

/** Fills that projects may have at once in this process, where a quota says so; as fresh as its last look. */
export class ProjectLimits {
  readonly #quotas: Pick<QuotaCatalog, "list">;
  #fills: ReadonlyMap<string, number> = new Map();
  #onChange: () => void = () => undefined;

  constructor(quotas: Pick<QuotaCatalog, "list">) {
    this.#quotas = quotas;
  }

  get fills(): ReadonlyMap<string, number> {
    return this.#fills;
  }

  /** Whom to tell that a limit has changed. */
  set onChange(tell: () => void) {
    this.#onChange = tell;
  }

  /** Looks again. While the catalog is away what was known goes on. */
  async look(): Promise<void> {
    const fills = fillsOf(await this.#quotas.list());
    const same = fills.size === this.#fills.size && [...fills].every(([name, most]) => this.#fills.get(name) === most);
    this.#fills = fills;
    if (!same) this.#onChange();
  }
}

function fillsOf(quotas: readonly ListedQuota[]): ReadonlyMap<string, number> {
  return new Map(
    quotas.flatMap(({ project, concurrentFills }) =>
      concurrentFills === undefined ? [] : [[project, concurrentFills]],
    ),
  );
}
