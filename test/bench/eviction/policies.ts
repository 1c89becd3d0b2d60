import { type Worth, worthAfterRead, worthOfNew } from "../../../src/domain/eviction.ts";

/** What a policy may look at when cached content is read. */
export interface Read {
  /** Bytes. */
  readonly size: number;
  /** Reads since it was admitted, this one and the one that caused the fetch among them. */
  readonly hits: number;
  /** What it was worth until now; undefined: it has just been fetched. */
  readonly before: Worth | undefined;
}

/** An online policy: what content is worth from a read on. The least worth goes; among equals the one read least recently. */
export type Policy = (read: Read, inflation: number) => Worth;

/** The rule that Cistern evicts by unless told otherwise. */
const cistern: Policy = ({ before }, inflation) =>
  before === undefined ? worthOfNew(inflation) : worthAfterRead(before, inflation);
const lru: Policy = () => worth(0);
/** Forgets the hits of what it evicts, as most caches do. */
const lfu: Policy = ({ hits }) => worth(hits);
/** As published: each content costs the same to fetch. Serves the share of requests, not of bytes. */
const gdsf: Policy = ({ size, hits }, inflation) => worth(inflation + hits / size);

export const POLICIES = { cistern, lru, lfu, gdsf };

export type PolicyName = keyof typeof POLICIES;

function worth(value: number): Worth {
  return { turns: 0, value };
}
