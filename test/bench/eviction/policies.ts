import { contentValue, fetchCost } from "../../../src/domain/eviction.ts";

/** What a policy may look at: content that is cached. */
export interface Cached {
  /** Bytes. */
  readonly size: number;
  /** Reads since it was admitted; the one that caused the fetch is the first. */
  readonly hits: number;
}

/** An online policy: what a content is worth when it is read. The least worth goes; among equals the one read least recently. */
export type Policy = (content: Cached, inflation: number) => number;

/** The rule that Cistern evicts by unless told otherwise. */
const cistern: Policy = ({ size, hits }, inflation) => contentValue(inflation, hits, fetchCost(size));
const lru: Policy = () => 0;
/** Forgets the hits of what it evicts, as most caches do. */
const lfu: Policy = ({ hits }) => hits;
/** As published: each content costs the same to fetch. Serves the share of requests, not of bytes. */
const gdsf: Policy = ({ size, hits }, inflation) => inflation + hits / size;

export const POLICIES = { cistern, lru, lfu, gdsf };

export type PolicyName = keyof typeof POLICIES;
