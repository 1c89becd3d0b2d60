import type { ResolvedBlob } from "../domain/blob.ts";
import type { Clock } from "../domain/clock.ts";
import type { Events } from "../domain/events.ts";
import type { ExternalLocation } from "../domain/location.ts";
import {
  type AccessCandidates,
  type AccessDecision,
  type CompiledPolicy,
  compilePolicy,
  decide,
} from "../domain/policy/compile.ts";
import type { ContentRules } from "../domain/policy/content-rules.ts";
import type { AccessMode, PolicyDocument } from "../domain/policy/document.ts";
import { type PolicySubject, subjectOf } from "../domain/policy/subject.ts";
import type { PolicyCatalog, PolicyVersion } from "../domain/policy-catalog.ts";
import type { Principal } from "../domain/principal.ts";
import { RecentAskers } from "./recent-askers.ts";

export interface PolicyInForcePorts {
  readonly policies: PolicyCatalog;
  readonly events: Events;
  readonly clock: Pick<Clock, "monotonic">;
  /** Parses a document as it is kept; throws when it is none that is understood here. */
  parse(document: string): PolicyDocument;
  /** What the built-in last rule says. */
  readonly fallback: AccessMode;
}

/** What rules ask about. The object stands for what is in it: the same one is asked about again and again. */
type OfRecord = Pick<ResolvedBlob, "artifact" | "blob">;

/** What is known of a blob that is asked for again and again. */
interface Known {
  readonly policy: CompiledPolicy;
  readonly subject: PolicySubject;
  readonly candidates: AccessCandidates;
}

/**
 * The policy that holds, in memory: no request asks the catalog for it. While another one cannot be
 * read, the last one that could stays in force.
 */
export class PolicyInForce {
  /** Whom it has been asked about lately. */
  readonly askers: RecentAskers;
  readonly #ports: PolicyInForcePorts;
  readonly #known = new WeakMap<OfRecord, Known>();
  #policy: CompiledPolicy;
  #madeAt: Date | undefined;
  #reading: Promise<void> | undefined;
  #again = false;

  constructor(ports: PolicyInForcePorts) {
    this.#ports = ports;
    this.askers = new RecentAskers(() => ports.clock.monotonic());
    this.#policy = this.compile({ access: [], content: [] }, 0);
  }

  get current(): CompiledPolicy {
    return this.#policy;
  }

  /** A document as it would hold here. */
  compile(document: PolicyDocument, version: number): CompiledPolicy {
    return compilePolicy(document, version, this.#ports.fallback);
  }

  /** What becomes of a request for this blob, by the first access rule that matches. */
  decide(resolved: ResolvedBlob, principal: Principal, address: string): AccessDecision {
    const { candidates } = this.#knowledgeOf(resolved);
    return decide(candidates, principal, address);
  }

  /** @param size bytes, where they are known better than by the record */
  contentRules(resolved: OfRecord, size = resolved.blob.size): ContentRules {
    const { policy, subject } = this.#knowledgeOf(resolved);
    return policy.contentRules(size === subject.size ? subject : { ...subject, size });
  }

  /** The rule that denies bytes of this URL to everybody, whatever blob they are of. */
  deniedToAll(resolved: ResolvedBlob, location: ExternalLocation): string | undefined {
    const subject = subjectOf(resolved.artifact, { ...resolved.blob, location });
    return this.#policy.deniedToAll(subject)?.rule;
  }

  /** False: every rule that may decide about it says `proxy` or `deny`, so that nobody causes its keeping. */
  keeps(resolved: ResolvedBlob): boolean {
    const { candidates } = this.#knowledgeOf(resolved);
    return candidates.some(({ decision: { mode } }) => mode === "cache" || mode === "redirect");
  }

  /** Reads the policy at the start; rejects when it cannot be read, for nothing may be served under another one. */
  async load(): Promise<void> {
    await this.#read();
  }

  /** Another policy may be in force: it is read now. What fails is told, and tried again by the next `refresh`. */
  notice(): void {
    this.refresh().catch((cause) => this.#ports.events.emit({ kind: "degraded", part: "policy", cause }));
  }

  /** Reads the policy if there is another one. Rejects when that cannot be read. */
  async refresh(): Promise<void> {
    if (this.#reading !== undefined) {
      // What is being read may have been read before the change.
      this.#again = true;
      return await this.#reading;
    }
    this.#reading = this.#readUntilStill();
    try {
      await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  /** Puts in force what this process itself has written. */
  adopt(version: PolicyVersion): void {
    if (version.version > this.#policy.version) this.#put(version);
  }

  async #readUntilStill(): Promise<void> {
    do {
      this.#again = false;
      await this.#read();
    } while (this.#again);
  }

  async #read(): Promise<void> {
    const { policies } = this.#ports;
    const [head] = await policies.versions(1, undefined);
    const same = head?.version === this.#policy.version && head.madeAt.getTime() === this.#madeAt?.getTime();
    if (head === undefined || same) return;
    const newest = await policies.current();
    // Of what was adopted meanwhile nothing older is a change; an older one alone is a catalog that was put back.
    if (newest !== undefined && (newest.version >= this.#policy.version || newest.version === head.version)) {
      this.#put(newest);
    }
  }

  #put(version: PolicyVersion): void {
    const document = this.#ports.parse(version.document);
    this.#policy = this.compile(document, version.version);
    this.#madeAt = version.madeAt;
    this.#ports.events.emit({ kind: "policy-in-force", version: version.version });
  }

  #knowledgeOf(resolved: OfRecord): Known {
    const before = this.#known.get(resolved);
    if (before?.policy === this.#policy) return before;
    const subject = subjectOf(resolved.artifact, resolved.blob);
    const known = { policy: this.#policy, subject, candidates: this.#policy.candidates(subject) };
    this.#known.set(resolved, known);
    return known;
  }
}
