import type { Visibility } from "../artifact.ts";
import type { Algorithm } from "../digest.ts";
import type { FetchWindow } from "../fetch-window.ts";
import type { Role } from "../principal.ts";

/** What is done with a request for a blob. */
export const ACCESS_MODES = ["cache", "proxy", "redirect", "deny"] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

export type Requirement = "none" | "checksum" | "signature";

export const VERIFY_TIMES = ["on-register", "on-first-read"] as const;
export type VerifyTime = (typeof VERIFY_TIMES)[number];

export const ON_FULL = ["pass", "queue", "reject"] as const;
/** When there is no room: pass on without keeping, wait for room, or refuse (507). */
export type OnFull = (typeof ON_FULL)[number];

/** Every list that is given must have a member that matches; an empty one asks nothing. */
export interface PrincipalMatch {
  /** Ids. */
  readonly tokens: readonly string[];
  /** Globs in which `*` stands for any characters. */
  readonly projects: readonly string[];
  readonly roles: readonly Role[];
}

export interface ArtifactMatch {
  readonly types: readonly string[];
  /** Globs in which `*` stands for any characters, as in `tags` and `projects`. */
  readonly names: readonly string[];
  readonly tags: readonly string[];
  /** Who owns it. */
  readonly projects: readonly string[];
  readonly visibility: Visibility | undefined;
}

/** An external URL; a blob with uploaded bytes has none and matches none. */
export interface OriginMatch {
  readonly schemes: readonly ("http" | "https")[];
  /** Globs in which `*` stops at `.` and `/`, and `**` does not. */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  /** As `hosts`. */
  readonly paths: readonly string[];
}

export interface DigestMatch {
  readonly algorithm: Algorithm;
  readonly hex: string;
}

interface SizeMatch {
  /** Bytes, both included. */
  readonly min: number | undefined;
  readonly max: number | undefined;
}

export interface AccessMatch {
  readonly principal: PrincipalMatch | undefined;
  /** CIDRs of the client. */
  readonly clients: readonly string[];
  readonly artifact: ArtifactMatch | undefined;
  readonly origin: OriginMatch | undefined;
  readonly digests: readonly DigestMatch[];
}

export interface AccessRule {
  /** Unique among the access rules. */
  readonly name: string;
  readonly description: string;
  readonly match: AccessMatch;
  readonly mode: AccessMode;
}

export interface ContentMatch {
  readonly artifact: ArtifactMatch | undefined;
  readonly origin: OriginMatch | undefined;
  /** A size that nobody knows yet matches none. */
  readonly size: SizeMatch | undefined;
}

/** What a content rule may set. Bytes, and milliseconds. */
export interface ContentSettings {
  readonly require: Requirement;
  readonly verify: VerifyTime;
  readonly prefetch: "on-register" | FetchWindow;
  /** From the admission on, it is pinned so long. */
  readonly pinFor: number;
  /** From the admission on, it is not evicted so long. */
  readonly minAge: number;
  /** From the admission on, it is kept so long at most. */
  readonly maxAge: number;
  /** Nothing larger is fetched. */
  readonly maxSize: number;
  readonly onFull: OnFull;
  readonly revalidateEvery: number;
}

export interface ContentRule {
  /** Unique among the content rules. */
  readonly name: string;
  readonly description: string;
  readonly match: ContentMatch;
  readonly set: { readonly [K in keyof ContentSettings]?: ContentSettings[K] | undefined };
}

/** Two ordered lists: who may have what and how, asked at each request; and what is done with contents. */
export interface PolicyDocument {
  readonly access: readonly AccessRule[];
  readonly content: readonly ContentRule[];
}

/** The rule behind the last one, which matches all; no rule of a document is called so. */
export const BUILT_IN = "built-in";
