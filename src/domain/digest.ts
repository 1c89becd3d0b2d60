import { invalid } from "./errors.ts";

export const ALGORITHMS = ["md5", "sha1", "sha256", "sha512"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Lower-case hexadecimal SHA-256: the identity of a content. */
export type Sha256 = string & { readonly __brand: "Sha256" };

/** Digests of one content, lower-case hexadecimal. */
export interface Digests {
  readonly md5?: string;
  readonly sha1?: string;
  readonly sha256?: Sha256;
  readonly sha512?: string;
}

const HEX_LENGTH: Record<Algorithm, number> = { md5: 32, sha1: 40, sha256: 64, sha512: 128 };

/** Parses a checksum that a caller gave; `field` names it in the error. Upper case is accepted. */
export function parseDigest(algorithm: Algorithm, text: string, field: string): string {
  const length = HEX_LENGTH[algorithm];
  const hex = text.toLowerCase();
  if (hex.length !== length || !/^[0-9a-f]+$/.test(hex)) {
    throw invalid(field, `must be ${length} hexadecimal digits`);
  }
  return hex;
}

/** Brands a string that is already known to be one (a row, a computed digest). */
export function sha256(hex: string): Sha256 {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new TypeError(`not a sha256: ${hex.slice(0, 80)}`);
  return hex as Sha256;
}

/** The first algorithm on which the two disagree; undefined when they agree as far as both say. */
export function contradiction(a: Digests, b: Digests): Algorithm | undefined {
  return ALGORITHMS.find((name) => a[name] !== undefined && b[name] !== undefined && a[name] !== b[name]);
}

/** md5 and sha1 check content and never select it (I6). */
export function hasStrongDigest(digests: Digests): boolean {
  return digests.sha256 !== undefined || digests.sha512 !== undefined;
}

export function hasAnyDigest(digests: Digests): boolean {
  return ALGORITHMS.some((name) => digests[name] !== undefined);
}
