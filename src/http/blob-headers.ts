import type { BlobFacts, OpenedBlob, SmallHit } from "../cache/opened-blob.ts";

/** Types that a browser would run or render as a page: they go out as bytes. */
const ACTIVE_TYPE = /^(text\/html|application\/xhtml\+xml|image\/svg\+xml|[^;]*[/+]xml|[^;]*(java|ecma)script)\b/i;
const BYTES = "application/octet-stream";
const HIT = "Cistern; hit";

/** What depends on the record alone, made once per resolved blob. */
const made = new WeakMap<object, readonly string[]>();

/** Names and values in turn, as `writeHead` takes them; without length, range and outcome. */
export function recordHeaders(facts: BlobFacts): readonly string[] {
  const known = made.get(facts.resolved);
  if (known !== undefined) return known;
  const headers = compose(facts);
  // Before admission digests may still come to be known.
  if (facts.resolved.content !== undefined) made.set(facts.resolved, headers);
  return headers;
}

const madeForHits = new WeakMap<BlobFacts, string[]>();

/** Every header of a hit that sends the whole: they depend on the record alone as well. */
export function hitHeaders({ facts, size }: SmallHit): string[] {
  const known = madeForHits.get(facts);
  if (known !== undefined) return known;
  const headers = [...recordHeaders(facts), "Cache-Status", HIT, "Content-Length", String(size)];
  madeForHits.set(facts, headers);
  return headers;
}

/** RFC 9211: what the cache did. */
export function cacheStatus(opened: OpenedBlob | SmallHit): string {
  if (opened.kind === "redirect") return "Cistern; fwd=bypass; detail=redirect";
  if (opened.kind === "not-modified" || opened.outcome === "hit") return HIT;
  return opened.outcome === "follow" ? "Cistern; fwd=miss; collapsed; detail=follow" : "Cistern; fwd=miss; detail=fill";
}

function compose({ resolved, digests, validators }: BlobFacts): string[] {
  const { artifact, blob } = resolved;
  const headers = [
    "Content-Type",
    ACTIVE_TYPE.test(blob.contentType) ? BYTES : blob.contentType,
    "Accept-Ranges",
    "bytes",
    "Content-Disposition",
    attachment(blob.field === "file" ? artifact.name : `${artifact.name}-${artifact.version}`),
    "X-Content-Type-Options",
    "nosniff",
    "Content-Security-Policy",
    "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy",
    "same-origin",
    "Cache-Control",
    "private, no-transform",
  ];
  if (validators.etag !== undefined) headers.push("ETag", validators.etag);
  if (validators.lastModified !== undefined) headers.push("Last-Modified", validators.lastModified.toUTCString());
  const representation = [structured("sha-256", digests.sha256), structured("sha-512", digests.sha512)].filter(Boolean);
  if (representation.length > 0) headers.push("Repr-Digest", representation.join(", "));
  if (digests.md5 !== undefined) headers.push("Content-MD5", digests.md5);
  if (digests.sha1 !== undefined) headers.push("X-Openstack-Glare-Content-SHA1", digests.sha1);
  if (digests.sha256 !== undefined) headers.push("X-Openstack-Glare-Content-SHA256", digests.sha256);
  return headers;
}

/** RFC 9530: a dictionary of byte sequences. */
function structured(name: string, hex: string | undefined): string | undefined {
  return hex === undefined ? undefined : `${name}=:${Buffer.from(hex, "hex").toString("base64")}:`;
}

/** RFC 6266 with the extended notation of RFC 8187 for names beyond ASCII. */
function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%/]/g, "_");
  const extended = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return plain === name
    ? `attachment; filename="${plain}"`
    : `attachment; filename="${plain}"; filename*=UTF-8''${extended}`;
}
