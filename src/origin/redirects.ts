import { CisternError } from "../domain/errors.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Where an answer leads; undefined when it is no redirect. Throws `origin-refused` when it leads
 * nowhere, away from http, or from https back to http. User-info that the origin writes into the
 * target is dropped: it is not ours to send.
 */
export function redirectTarget(status: number, location: string | undefined, from: URL): URL | undefined {
  if (!REDIRECTS.has(status)) return undefined;
  const reference = location === undefined ? undefined : bytesEncoded(location);
  if (reference === undefined || !URL.canParse(reference, from.href)) throw refused("without a target", status);
  const target = new URL(reference, from);
  if (target.protocol !== "http:" && target.protocol !== "https:") throw refused("away from http", status);
  if (from.protocol === "https:" && target.protocol === "http:") throw refused("from https to http", status);
  target.username = "";
  target.password = "";
  target.hash = "";
  return target;
}

/** For a chain of redirects that does not end. */
export function tooManyRedirects(status: number): CisternError {
  return refused("too often or in a circle", status);
}

/** The header comes as Latin-1; what is not ASCII is meant as the bytes that it was. */
function bytesEncoded(location: string): string {
  return location.replace(/[\x80-\xff]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

function refused(how: string, status: number): CisternError {
  return new CisternError("origin-refused", `the origin redirects ${how}`, { originStatus: status });
}
