const TEXT_ARRAY_OID = 1009;
const ELEMENT = /"((?:[^"\\]|\\.)*)"|([^",{}]+)/gs;

/**
 * Reads `text[]` for the driver. Without it the query builder does, and loses backslashes.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export const textArray = {
  to: TEXT_ARRAY_OID,
  from: [TEXT_ARRAY_OID],
  /** The query builder has made a literal of it already. */
  serialize: (literal: string) => literal,
  parse: parseTextArray,
};

/** One dimension, no nulls: the columns are made so. */
export function parseTextArray(literal: string): string[] {
  return Array.from(literal.matchAll(ELEMENT), ([, quoted, plain = ""]) =>
    quoted === undefined ? plain : quoted.replace(/\\(.)/gs, "$1"),
  );
}
