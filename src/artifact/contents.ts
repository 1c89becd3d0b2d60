import type { AuditTrail } from "../domain/audit.ts";
import type { Block, Blocks } from "../domain/blocks.ts";
import type { Pin } from "../domain/capacity.ts";
import type { ContentCare } from "../domain/content-care.ts";
import type {
  ContentEntry,
  ContentInventory,
  ContentPage,
  ContentQuery,
  Referrer,
} from "../domain/content-inventory.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { requireAdmin, seesAll } from "./access.ts";

/** Keeps content from being evicted. */
export interface Pins {
  /** `content-not-found`; `pin-limit` when pins would hold more than they may. */
  pin(sha256: Sha256, pin: Pin): Promise<void>;
  /** `content-not-found`; one that is not pinned is no error. */
  unpin(sha256: Sha256): Promise<void>;
}

export interface ContentPorts {
  readonly inventory: ContentInventory;
  readonly care: Pick<ContentCare, "purge">;
  readonly blocks: Blocks;
  readonly pins: Pins;
  readonly audit: AuditTrail;
  /** Whether this process has the object as a local file. */
  isHot(content: ContentEntry): boolean;
  /** A block has come or gone: this process need not wait to be told. */
  onBlockChanged(sha256: Sha256): Promise<void>;
  /** It is on its way out. */
  onPurged(content: ContentEntry): void;
}

/** Blobs that are told of, of one content. */
const MAX_REFERRERS = 100;

export interface ContentDetails {
  readonly content: ContentEntry;
  readonly referrers: readonly Referrer[];
  /** There are more. */
  readonly more: boolean;
  readonly hot: boolean;
}

/** `forbidden` unless the caller sees everything. */
export function requireOverview(principal: Principal): void {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
}

export async function listContents(
  ports: ContentPorts,
  principal: Principal,
  query: ContentQuery,
): Promise<ContentPage> {
  requireOverview(principal);
  return await ports.inventory.list(query);
}

/** `content-not-found`. */
export async function showContent(ports: ContentPorts, principal: Principal, sha256: Sha256): Promise<ContentDetails> {
  requireOverview(principal);
  const content = await found(ports, sha256);
  const referrers = await ports.inventory.referrers(sha256, MAX_REFERRERS + 1);
  const more = referrers.length > MAX_REFERRERS;
  return { content, referrers: referrers.slice(0, MAX_REFERRERS), more, hot: ports.isHot(content) };
}

/** Pins, or gives the pin another reason and end. */
export async function pinContent(
  ports: ContentPorts,
  principal: Principal,
  sha256: Sha256,
  { reason, until }: Omit<Pin, "by">,
): Promise<ContentEntry> {
  requireAdmin(principal);
  const before = await found(ports, sha256);
  const pin = { reason, until, by: principal.tokenId };
  await ports.pins.pin(sha256, pin);
  const object = `contents/${sha256}`;
  const states = { before: pinState(before.pin), after: pinState(pin) };
  await ports.audit.record({ principal, action: "content.pin", object, ...states });
  return await found(ports, sha256);
}

export async function unpinContent(ports: ContentPorts, principal: Principal, sha256: Sha256): Promise<ContentEntry> {
  requireAdmin(principal);
  const before = await found(ports, sha256);
  await ports.pins.unpin(sha256);
  const object = `contents/${sha256}`;
  await ports.audit.record({ principal, action: "content.unpin", object, before: pinState(before.pin) });
  return await found(ports, sha256);
}

/** Blocks bytes, known or not: refused to all from now on, whoever reads them is cut, nobody fetches them again. */
export async function blockContent(
  ports: ContentPorts,
  principal: Principal,
  sha256: Sha256,
  reason: string,
): Promise<Block> {
  requireAdmin(principal);
  const before = await ports.blocks.find(sha256);
  const block = await ports.blocks.put(sha256, reason, principal.tokenId);
  const states = { before: blockState(before), after: blockState(block) };
  const note = { principal, action: "content.block", object: `contents/${sha256}`, ...states };
  // Neither is left out when the other fails.
  await Promise.all([ports.onBlockChanged(sha256), ports.audit.record(note)]);
  return block;
}

/** Lifts a block; `content-not-found` when there is none. */
export async function unblockContent(ports: ContentPorts, principal: Principal, sha256: Sha256): Promise<void> {
  requireAdmin(principal);
  const block = await ports.blocks.lift(sha256);
  if (block === undefined) throw new CisternError("content-not-found", "these bytes are not blocked");
  const note = { principal, action: "content.unblock", object: `contents/${sha256}`, before: blockState(block) };
  await Promise.all([ports.onBlockChanged(sha256), ports.audit.record(note)]);
}

/** `content-not-found` when these bytes are not blocked. */
export async function showBlock(ports: ContentPorts, principal: Principal, sha256: Sha256): Promise<Block> {
  requireOverview(principal);
  const block = await ports.blocks.find(sha256);
  if (block === undefined) throw new CisternError("content-not-found", "these bytes are not blocked");
  return block;
}

/** All that is blocked, behind this digest. */
export async function listBlocks(
  ports: ContentPorts,
  principal: Principal,
  limit: number,
  after: Sha256 | undefined,
): Promise<{ readonly blocks: readonly Block[]; readonly more: boolean }> {
  requireOverview(principal);
  const all = await ports.blocks.list();
  const rest = after === undefined ? all : all.filter(({ sha256 }) => sha256 > after);
  return { blocks: rest.slice(0, limit), more: rest.length > limit };
}

/**
 * Takes cached content out: nobody opens it anew, its bytes go when the last reader has left. Pins and
 * irreplaceability are obeyed unless `force` is set; what an internal blob names never goes (I5).
 */
export async function removeContent(
  ports: ContentPorts,
  principal: Principal,
  sha256: Sha256,
  force: boolean,
): Promise<ContentEntry> {
  requireAdmin(principal);
  const content = await found(ports, sha256);
  const purged = await ports.care.purge(sha256, force);
  if (purged === "internal") {
    throw new CisternError("content-is-internal", "uploaded bytes go with the last artifact that has them");
  }
  if (purged === "irreplaceable") {
    throw new CisternError("content-is-irreplaceable", "no location delivers these bytes any more: force=true purges");
  }
  if (purged === "pinned") throw new CisternError("content-is-pinned", "the content is pinned: force=true purges");
  if (purged === "absent") throw absent();
  ports.onPurged(content);
  const { size, project, origin } = content;
  const before = { size, project, origin, pin: pinState(content.pin) };
  await ports.audit.record({
    principal,
    action: "content.purge",
    object: `contents/${sha256}`,
    before,
    after: { force },
  });
  return { ...content, state: "condemned", pin: undefined, irreplaceableSince: undefined };
}

async function found({ inventory }: ContentPorts, sha256: Sha256): Promise<ContentEntry> {
  const content = await inventory.find(sha256);
  if (content === undefined) throw absent();
  return content;
}

function absent(): CisternError {
  return new CisternError("content-not-found", "there is no such content");
}

function pinState(pin: Pin | undefined): unknown {
  return pin === undefined ? undefined : { reason: pin.reason, until: pin.until?.toISOString() ?? null, by: pin.by };
}

function blockState(block: Block | undefined): unknown {
  return block === undefined ? undefined : { reason: block.reason, by: block.blockedBy };
}
