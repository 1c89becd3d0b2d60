/** A pattern that was compiled once. */
export interface Glob {
  matches(text: string): boolean;
}

/** A run of characters, `*` (up to a separator) or `**` (any). */
type Part = { readonly kind: "text"; readonly text: string } | { readonly kind: "star" | "any" };

export const MAX_GLOB = 255;
/** Of one glob: each costs at most one walk over the text. */
export const MAX_STARS = 16;

/**
 * Compiles a glob: `*` stands for any characters but the separators, `**` for any; everything else
 * for itself. No pattern makes it walk over the text more than once for each of its parts.
 */
export function compileGlob(pattern: string, separators: string): Glob {
  const parts = partsOf(pattern, separators);
  const [first, ...others] = parts;
  if (first === undefined) return { matches: (text) => text === "" };
  if (others.length === 0 && first.kind === "text") return { matches: (text) => text === first.text };
  if (others.length === 0 && first.kind === "any") return { matches: () => true };
  const last = parts.at(-1);
  const head = first.kind === "text" ? first.text : "";
  const tail = last?.kind === "text" ? last.text : "";
  const texts = parts.slice(0, tail === "" ? undefined : -1).flatMap((part) => (part.kind === "text" ? part.text : []));
  const fits = (text: string) =>
    text.startsWith(head) && text.endsWith(tail) && inOrder(texts, text, text.length - tail.length);
  // Where nothing stops a star, the order of the texts is all that is asked.
  if (parts.every(({ kind }) => kind !== "star")) return { matches: fits };
  return { matches: (text) => fits(text) && walk(parts, text, separators) };
}

function partsOf(pattern: string, separators: string): Part[] {
  return (pattern.match(/\*+|[^*]+/g) ?? []).map((piece) => {
    if (!piece.startsWith("*")) return { kind: "text", text: piece };
    return { kind: piece.length === 1 && separators !== "" ? "star" : "any" };
  });
}

/** Whether these texts are found one behind the other, before `end`. */
function inOrder(texts: readonly string[], text: string, end: number): boolean {
  let at = 0;
  for (const wanted of texts) {
    const found = text.indexOf(wanted, at);
    if (found < 0) return false;
    at = found + wanted.length;
    if (at > end) return false;
  }
  return at <= end;
}

/** Follows all ways through the pattern at once: `reached` holds the places in the text where one may be. */
function walk(parts: readonly Part[], text: string, separators: string): boolean {
  const { length } = text;
  let reached = new Uint8Array(length + 1);
  reached[0] = 1;
  for (const part of parts) {
    const next = new Uint8Array(length + 1);
    if (part.kind === "text") stepText(reached, next, text, part.text);
    else stepStar(reached, next, text, part.kind === "star" ? separators : "");
    reached = next;
  }
  return reached[length] === 1;
}

function stepText(reached: Uint8Array, next: Uint8Array, text: string, wanted: string): void {
  for (let at = reached.indexOf(1); at >= 0 && at + wanted.length <= text.length; at = reached.indexOf(1, at + 1)) {
    if (text.startsWith(wanted, at)) next[at + wanted.length] = 1;
  }
}

function stepStar(reached: Uint8Array, next: Uint8Array, text: string, separators: string): void {
  let open = false;
  for (let at = 0; at <= text.length; at += 1) {
    open = open || reached[at] === 1;
    if (!open) continue;
    next[at] = 1;
    if (at < text.length && separators.includes(text.charAt(at))) open = false;
  }
}
