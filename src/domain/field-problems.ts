import { CisternError, type FieldProblem } from "./errors.ts";

const MAX_PROBLEMS = 20;
const MAX_NAME = 80;

/** Collects the broken rules of one input, so that its sender learns all of them at once. */
export class FieldProblems {
  readonly #fields: FieldProblem[] = [];

  add(field: string, rule: string): void {
    this.#fields.push({ field: shortName(field), rule });
  }

  /** Runs a parser and keeps its `invalid-input`; undefined then. Every other error goes through. */
  take<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof CisternError) || error.code !== "invalid-input") throw error;
      this.#fields.push(...error.fields);
      return undefined;
    }
  }

  /** Throws one `invalid-input` that names every broken rule, the first 20 of them. */
  throwIfAny(): void {
    const [first] = this.#fields;
    if (first === undefined) return;
    const more = this.#fields.length > 1 ? ` (and ${this.#fields.length - 1} more)` : "";
    throw new CisternError("invalid-input", `${first.field}: ${first.rule}${more}`, {
      fields: this.#fields.slice(0, MAX_PROBLEMS),
    });
  }
}

/** A name that a caller made up, at a length that fits an error. */
export function shortName(name: string): string {
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME)}…`;
}
