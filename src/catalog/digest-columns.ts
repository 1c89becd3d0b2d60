import { sha256 as brandSha256, type Digests, type Sha256 } from "../domain/digest.ts";

/** Digests as the columns of a row hold them. */
export interface DigestColumns {
  readonly md5: string | null;
  readonly sha1: string | null;
  readonly sha256: string | null;
  readonly sha512: string | null;
}

export function digestsOf(row: DigestColumns): Digests {
  return {
    ...(row.md5 === null ? {} : { md5: row.md5 }),
    ...(row.sha1 === null ? {} : { sha1: row.sha1 }),
    ...(row.sha256 === null ? {} : { sha256: brandSha256(row.sha256) }),
    ...(row.sha512 === null ? {} : { sha512: row.sha512 }),
  };
}

/** The columns for what `first` says, and where it says nothing, for what `second` does. */
export function mergedColumns(first: Digests, second: Digests): DigestColumns {
  return {
    md5: first.md5 ?? second.md5 ?? null,
    sha1: first.sha1 ?? second.sha1 ?? null,
    sha256: first.sha256 ?? second.sha256 ?? null,
    sha512: first.sha512 ?? second.sha512 ?? null,
  };
}

/** A row that is keyed by its sha256 has all of its own. */
export function identified(sha256: string, digests: Digests): Digests & { readonly sha256: Sha256 } {
  return { ...digests, sha256: brandSha256(sha256) };
}
