import { invalid } from "./errors.ts";
import { cloneJson, equalJson, type JsonValue, sizeOfJson } from "./json.ts";
import { addAt, parsePointer, readAt, removeAt, replaceAt } from "./json-pointer.ts";

/** One operation of a JSON patch. RFC 6902 §4. */
export type PatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: readonly string[]; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: readonly string[] }
  | { readonly op: "move" | "copy"; readonly path: readonly string[]; readonly from: readonly string[] };

const MAX_OPERATIONS = 100;
/** A copy may double the document: it ends here. */
const MAX_NODES = 20_000;
const RULE = "must be one of add, remove, replace, move, copy, test";

/** Parses a patch document; errors name the operation by its index (`patch.0.path`). */
export function parsePatch(body: unknown): readonly PatchOperation[] {
  if (!Array.isArray(body)) throw invalid("patch", "must be a list of operations (RFC 6902)");
  if (body.length > MAX_OPERATIONS) throw invalid("patch", `must have at most ${MAX_OPERATIONS} operations`);
  return body.map((operation: unknown, index) => parseOperation(operation, `patch.${index}`));
}

/**
 * Applies the operations to a copy of the document, in order. An operation that cannot be applied
 * is `invalid-input` under its index, and so is a `test` that fails: nothing is changed then.
 */
export function applyPatch(document: JsonValue, patch: readonly PatchOperation[]): JsonValue {
  let result = cloneJson(document);
  for (const [index, operation] of patch.entries()) {
    const field = `patch.${index}`;
    result = applyOne(result, operation, field);
    if (operation.op === "copy" && sizeOfJson(result) > MAX_NODES) throw invalid(field, "makes the document too large");
  }
  return result;
}

function applyOne(document: JsonValue, operation: PatchOperation, field: string): JsonValue {
  const { op, path } = operation;
  switch (op) {
    case "add":
      return addAt(document, path, cloneJson(operation.value), `${field}.path`);
    case "replace":
      return replaceAt(document, path, cloneJson(operation.value), `${field}.path`);
    case "remove":
      return removeAt(document, path, `${field}.path`);
    case "copy":
      return addAt(document, path, cloneJson(readAt(document, operation.from, `${field}.from`)), `${field}.path`);
    case "move": {
      const { from } = operation;
      if (path.length > from.length && from.every((token, at) => token === path[at])) {
        throw invalid(`${field}.path`, "must not lie inside of `from`");
      }
      const value = readAt(document, from, `${field}.from`);
      return addAt(removeAt(document, from, `${field}.from`), path, value, `${field}.path`);
    }
    case "test":
      if (!equalJson(readAt(document, path, `${field}.path`), operation.value)) {
        throw invalid(field, "the test does not hold");
      }
      return document;
  }
}

function parseOperation(value: unknown, field: string): PatchOperation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(field, "must be a JSON object");
  }
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  const op = given.get("op");
  const path = pointerOf(given.get("path"), `${field}.path`);
  switch (op) {
    case "add":
    case "replace":
    case "test": {
      const operand = given.get("value");
      if (operand === undefined) throw invalid(`${field}.value`, "is required");
      return { op, path, value: cloneJson(operand) };
    }
    case "remove":
      return { op, path };
    case "move":
    case "copy":
      return { op, path, from: pointerOf(given.get("from"), `${field}.from`) };
    default:
      throw invalid(`${field}.op`, RULE);
  }
}

function pointerOf(value: unknown, field: string): readonly string[] {
  if (typeof value !== "string") throw invalid(field, "must be a string: a JSON pointer (RFC 6901)");
  return parsePointer(value, field);
}
