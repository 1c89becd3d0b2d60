import type { ResolvedBlob } from "../domain/blob.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { ByteRange } from "../domain/byte-range.ts";
import type { Clock } from "../domain/clock.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { Algorithm } from "../domain/digest.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { AccessMode } from "../domain/policy/document.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import { evaluate } from "../domain/precondition.ts";
import type { Principal } from "../domain/principal.ts";
import type { Source } from "../domain/source.ts";
import { authoriseRead } from "./authorise.ts";
import { nameOf } from "./behalf.ts";
import { factsOf } from "./blob-facts.ts";
import type { BlockedContents } from "./blocked-contents.ts";
import type { BlobBody } from "./body.ts";
import { deniedBy } from "./foresee.ts";
import { openFill } from "./open-fill.ts";
import type { OpenReaders, ServedBody } from "./open-readers.ts";
import { type OpenedContent, type OpenStoredPorts, openStored } from "./open-stored.ts";
import type { BlobFacts, BlobRequest, OpenedBlob, SmallHit } from "./opened-blob.ts";
import { OriginSizes } from "./origin-sizes.ts";
import type { PolicyInForce } from "./policy-in-force.ts";
import type { ReadTimes } from "./read-times.ts";
import type { Resolver } from "./resolve.ts";
import { callerOf, satisfiable, startOf } from "./selection.ts";
import { StoredBody, takeSmall } from "./stored-body.ts";
import type { Tombstones } from "./tombstones.ts";
import { WRONG_BYTES } from "./verify-fill.ts";

export interface ReadPorts extends OpenStoredPorts {
  readonly resolver: Resolver;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly source: Source;
  readonly tombstones: Tombstones;
  readonly blocked: Pick<BlockedContents, "check">;
  readonly readers: OpenReaders;
  readonly reads: ReadTimes;
  readonly clock: Clock;
  readonly policy: Pick<PolicyInForce, "decide" | "askers">;
  /** Hosts (`host`, `*.suffix` or `host:port`) to which `redirect` may send a client. */
  readonly redirectHosts: readonly string[];
}

type AllowedMode = Exclude<AccessMode, "deny">;

/** How often a request looks again after the ground has moved under it: mirrors that fail, content that comes and goes. */
const MAX_ATTEMPTS = 80;

/** The store fails, and the blob's bytes are fetched from where they came from. */
interface Away {
  readonly kind: "away";
  readonly content: ContentRecord;
}

/** The read path's one decision: hit, follow, fill, or what the policy says instead. */
export class BlobOpener {
  readonly #ports: ReadPorts;
  readonly #sizes: OriginSizes;

  constructor(ports: ReadPorts) {
    this.#ports = ports;
    this.#sizes = new OriginSizes(ports.source);
  }

  /** A hit that needs neither a query nor a read to begin with, without a promise; else undefined. */
  openWarm(request: BlobRequest): OpenedBlob | undefined {
    const resolved = this.#ports.resolver.cached(request.ref);
    if (resolved?.content === undefined) return undefined;
    const facts = this.#admit(request, resolved);
    if (notModified(request, facts)) return { kind: "not-modified", facts };
    const { content } = resolved;
    if (request.head) return { kind: "head", facts, outcome: "hit", size: content.size };
    const selection = satisfiable(request, facts, content.size, this.#ports.tombstones);
    const body = StoredBody.warm(content, selection.range, this.#ports);
    if (body === undefined) return undefined;
    this.#ports.reads.note(content.object.sha256);
    const served = this.#watch(body, request, content);
    return { kind: "body", facts, outcome: "hit", size: content.size, ...selection, body: served, verified: true };
  }

  /** The recorded checksum and the name of what has it; `blob-not-found` while it is not known. */
  async checksum(
    request: Pick<BlobRequest, "ref" | "type" | "principal">,
    algorithm: Algorithm,
  ): Promise<{ readonly name: string; readonly hex: string }> {
    const resolved = found(await this.#ports.resolver.resolve(request.ref));
    if (resolved.artifact.type !== request.type) throw notFound();
    authoriseRead(request.principal, resolved.artifact);
    this.#decide(resolved, request.principal, request.principal.address);
    const hex = { ...resolved.content?.digests, ...resolved.blob.digests }[algorithm];
    if (hex === undefined) throw new CisternError("blob-not-found", `no ${algorithm} is recorded of the blob`);
    return { name: resolved.artifact.name, hex };
  }

  /** A hit on small content that is in memory: everything about it, and its bytes. Else undefined. */
  openSmall(request: BlobRequest): SmallHit | undefined {
    const resolved = this.#ports.resolver.cached(request.ref);
    if (resolved?.content === undefined || request.head) return undefined;
    const facts = this.#admit(request, resolved);
    if (notModified(request, facts)) return undefined;
    const { content } = resolved;
    const { range, partial } = satisfiable(request, facts, content.size, this.#ports.tombstones);
    const block = takeSmall(content, this.#ports.blocks);
    if (block === undefined) return undefined;
    this.#ports.reads.note(content.object.sha256);
    return { kind: "small", facts, outcome: "hit", size: content.size, range, partial, block };
  }

  /** Opens a blob for a client; the signal ends the waiting, not the fill. */
  async open(request: BlobRequest, signal: AbortSignal): Promise<OpenedBlob> {
    const warm = this.openWarm(request);
    if (warm !== undefined) return warm;
    let resolved = found(await this.#ports.resolver.resolve(request.ref));
    let facts = this.#admit(request, resolved);
    if (notModified(request, facts)) return { kind: "not-modified", facts };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const hit = await this.#openStored(request, facts, signal);
      if (hit?.kind === "away") return await this.#openFill(request, facts, hit.content, signal);
      if (hit !== undefined) return hit;
      if (facts.resolved.content !== undefined) {
        resolved = found(await this.#ports.resolver.fresh(request.ref));
        facts = this.#admit(request, resolved);
        continue;
      }
      const mode = this.#decide(resolved, request.principal, request.address);
      const url = mode === "redirect" ? this.#redirectTarget(request, resolved) : undefined;
      if (url !== undefined) return { kind: "redirect", facts, url };
      if (request.head) {
        if (await this.#stillCold(request, facts, attempt)) return this.#head(facts, signal);
        resolved = found(await this.#ports.resolver.fresh(request.ref));
        facts = this.#admit(request, resolved);
        continue;
      }
      try {
        const opened = await this.#openCold(request, facts, attempt, signal);
        if (opened !== undefined) return opened;
      } catch (error) {
        // Nothing was sent yet: another source, or the same from byte 0, may deliver what the first one failed to.
        const wrong = error instanceof CisternError && WRONG_BYTES.has(error.code);
        const again = wrong && attempt <= resolved.mirrors.length + 1;
        if (!again || signal.aborted) throw error;
      }
      resolved = found(await this.#ports.resolver.fresh(request.ref));
      facts = this.#admit(request, resolved);
    }
    throw new CisternError("too-busy", "the blob changes all the time: try again later", { retryAfter: 5 });
  }

  #admit(request: BlobRequest, resolved: ResolvedBlob): BlobFacts {
    if (resolved.artifact.type !== request.type) throw notFound();
    authoriseRead(request.principal, resolved.artifact);
    const empty = resolved.blob.location === undefined;
    if (empty) throw new CisternError("blob-not-found", "the blob is empty: it has no location");
    this.#ports.policy.askers.note(request.principal, resolved);
    this.#decide(resolved, request.principal, request.address);
    this.#ports.blocked.check(resolved.content?.object.sha256 ?? resolved.blob.digests.sha256);
    return factsOf(resolved);
  }

  /** What the policy says of this request; `policy-denied`. A reader that runs is not asked again. */
  #decide(resolved: ResolvedBlob, principal: Principal, address: string): AllowedMode {
    const { mode, rule } = this.#ports.policy.decide(resolved, principal, address);
    if (mode !== "deny") return mode;
    throw deniedBy(rule);
  }

  #redirectTarget(request: BlobRequest, resolved: ResolvedBlob): string | undefined {
    const target = redirectTarget(resolved.blob, this.#ports.redirectHosts, request.sendsTokenOn);
    return "url" in target ? target.url : undefined;
  }

  async #openStored(
    request: BlobRequest,
    facts: BlobFacts,
    signal: AbortSignal,
  ): Promise<OpenedBlob | Away | undefined> {
    const { content, blob } = facts.resolved;
    if (content === undefined) {
      if (blob.location?.kind === "internal")
        throw new CisternError("store-unavailable", "the blob's bytes are missing");
      return undefined;
    }
    if (request.head) return { kind: "head", facts, outcome: "hit", size: content.size };
    const selection = satisfiable(request, facts, content.size, this.#ports.tombstones);
    const opened = await this.#openContent(request, facts, content, selection.range, signal);
    if (opened === "away") return { kind: "away", content };
    if (opened !== undefined) {
      this.#ports.reads.note(content.object.sha256);
      const { verified } = opened;
      const body = this.#watch(opened.body, request, content);
      return { kind: "body", facts, outcome: "hit", size: content.size, ...selection, body, verified };
    }
    this.#ports.resolver.clear();
    if (!(await this.#ports.contents.condemn(content.object))) {
      const now = found(await this.#ports.resolver.fresh(request.ref));
      const same = now.content?.object.fence === content.object.fence;
      if (same) throw new CisternError("store-unavailable", "the content's bytes are missing from the store");
    }
    return undefined;
  }

  /** "away": the store fails, and the blob has another source. A local store that fails has no such excuse. */
  async #openContent(
    request: BlobRequest,
    { resolved }: BlobFacts,
    content: ContentRecord,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<OpenedContent | "away" | undefined> {
    try {
      return await openStored(resolved, content, range, callerOf(request), this.#ports, signal);
    } catch (error) {
      const external = resolved.blob.location?.kind === "external" && this.#ports.hot !== undefined;
      if (!external || !isCisternError(error, "store-unavailable")) throw error;
      return "away";
    }
  }

  /** HEAD of cold content asks the origin for a length that nobody knows yet; nothing is filled. */
  async #head(facts: BlobFacts, signal: AbortSignal): Promise<OpenedBlob> {
    const { blob, artifact } = facts.resolved;
    if (blob.size !== undefined || blob.location?.kind !== "external") {
      return { kind: "head", facts, outcome: "fill", size: blob.size };
    }
    const behalf = { project: artifact.owner, blob: nameOf(blob), fill: undefined, size: undefined };
    const size = await this.#sizes.ask({ location: blob.location, behalf }, signal);
    return { kind: "head", facts, outcome: "fill", size };
  }

  /** Follows or starts a fill of cold content; undefined when the content has come into reach meanwhile. */
  async #openCold(
    request: BlobRequest,
    facts: BlobFacts,
    attempt: number,
    signal: AbortSignal,
  ): Promise<OpenedBlob | undefined> {
    if (this.#ports.fills.find(facts.resolved, startOf(request.range)) === undefined) {
      const now = await this.#stillCold(request, facts, attempt);
      if (now === undefined) return undefined;
      // Nothing waits between this look and the start: two cold requests never start two fills.
      return await this.#openFill(request, { ...facts, resolved: now }, undefined, signal);
    }
    return await this.#openFill(request, facts, undefined, signal);
  }

  /** @param around admitted content that the store does not deliver now */
  #openFill(
    request: BlobRequest,
    facts: BlobFacts,
    around: ContentRecord | undefined,
    signal: AbortSignal,
  ): Promise<OpenedBlob> {
    const keep = around === undefined && this.#decide(facts.resolved, request.principal, request.address) !== "proxy";
    return openFill(request, facts, { keep, around }, this.#ports, signal);
  }

  /** The blob, if nothing but a fetch brings its content here; undefined: look again. */
  async #stillCold(request: BlobRequest, facts: BlobFacts, attempt: number): Promise<ResolvedBlob | undefined> {
    const { resolved } = facts;
    if (resolved.admittedElsewhere && (await this.#ports.blobs.joinContent(resolved.blob.id))) return undefined;
    // The first look-up was made just now; later ones, and a join that was refused, are a while ago.
    if (attempt === 1 && !resolved.admittedElsewhere) return resolved;
    const now = found(await this.#ports.resolver.fresh(request.ref));
    return now.content === undefined ? now : undefined;
  }

  #watch(body: BlobBody, request: BlobRequest, { object }: ContentRecord): ServedBody {
    const { sha256 } = object;
    // What follows a copy under way is verified once more, by that.
    const bytes = { sha256, object: body instanceof StoredBody ? object : undefined };
    return this.#ports.readers.watch(body, request.ref, callerOf(request), () => bytes);
  }
}

function notModified(request: BlobRequest, facts: BlobFacts): boolean {
  const verdict = evaluate(request.conditionals, facts.validators);
  if (verdict === "failed") throw new CisternError("precondition-failed", "the blob is not what the condition names");
  return verdict === "not-modified";
}

function found(resolved: ResolvedBlob | undefined): ResolvedBlob {
  if (resolved === undefined) throw notFound();
  return resolved;
}

function notFound(): CisternError {
  return new CisternError("blob-not-found", "there is no such blob");
}
