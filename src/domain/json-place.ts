/** Where a JSON text is broken. */
export interface JsonPlace {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a JSON string has none (RFC 8259 §7)
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const BLANK = /[ \t\n\r]*/y;
const WORD = /true|false|null/y;

/** How deep lists and objects nest in a text; brackets inside of strings do not count. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = closingQuote(text, at);
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth -= 1;
  }
  return deepest;
}

/** Where the string that opens at a place is closed: the end of the text when nothing closes it. */
function closingQuote(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at++) {
    const char = text[at];
    if (char === '"') return at;
    if (char === "\\") at += 1;
  }
  return text.length;
}

/** The first place at which a text, known not to be JSON, stops being it. RFC 8259. */
export function brokenAt(text: string): JsonPlace {
  const before = text.slice(0, new Scanner(text).firstError());
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: before.length - lineStart + 1 };
}

type Expected = "value" | "value-or-end" | "name" | "name-or-end" | "colon" | "comma-or-end";

class Scanner {
  readonly #text: string;
  readonly #open: ("[" | "{")[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  firstError(): number {
    let expected: Expected | undefined = "value";
    for (;;) {
      this.#match(BLANK);
      if (expected === "comma-or-end" && this.#open.length === 0) return this.#at;
      expected = this.#step(expected);
      if (expected === undefined) return this.#at;
    }
  }

  /** What has to follow; undefined: the error is here. */
  #step(expected: Expected): Expected | undefined {
    const char = this.#text[this.#at];
    const inList = this.#open.at(-1) === "[";
    if (expected === "colon") return char === ":" ? this.#skip("value") : undefined;
    const mayEnd = expected === "comma-or-end" || expected.endsWith("-or-end");
    if (mayEnd && char === (inList ? "]" : "}")) {
      this.#open.pop();
      return this.#skip("comma-or-end");
    }
    if (expected === "comma-or-end") return char === "," ? this.#skip(inList ? "value" : "name") : undefined;
    if (expected.startsWith("name")) return this.#match(STRING) ? "colon" : undefined;
    if (char === "[" || char === "{") {
      this.#open.push(char);
      return this.#skip(char === "[" ? "value-or-end" : "name-or-end");
    }
    return this.#match(STRING) || this.#match(NUMBER) || this.#match(WORD) ? "comma-or-end" : undefined;
  }

  #skip(next: Expected): Expected {
    this.#at += 1;
    return next;
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return false;
    this.#at += found[0].length;
    return true;
  }
}
