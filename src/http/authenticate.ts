import { hash } from "node:crypto";
import type { BlockList } from "node:net";
import { LRUCache } from "lru-cache";
import { OlderAnswers } from "../cache/older-answers.ts";
import type { Clock } from "../domain/clock.ts";
import { CisternError } from "../domain/errors.ts";
import type { Principal, Role } from "../domain/principal.ts";
import type { TokenId, TokenRecord } from "../domain/token.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import type { CallerLimits } from "./caller-limits.ts";
import { addressesIn, contains } from "./cidr.ts";
import { type CredentialHeaders, readCredentials } from "./credentials.ts";

export interface AuthenticatePorts {
  readonly tokens: TokenCatalog;
  readonly clock: Clock;
  /** CIDRs whose clients may read what is public without a token. */
  readonly anonymousRead: readonly string[];
  readonly limits: CallerLimits;
}

/** A token that the catalog knows, ready to be judged. */
interface Known {
  readonly token: TokenRecord;
  /** As it came from the address that used it last: most come from one, again and again. */
  principal: Principal;
  /** undefined: from anywhere. */
  readonly from: BlockList | undefined;
  /** Milliseconds of the monotonic clock at which the catalog said so. */
  readonly at: number;
}

const FRESH_MS = 10_000;
/** How long past its time a verdict serves while the catalog is away. */
const STALE_MS = 600_000;
const REFUSED_MS = 2_000;

/** What a connection showed last, and the hash of the token in it. */
interface Shown {
  readonly authorization: string | undefined;
  readonly own: string | string[] | undefined;
  readonly key: string;
  /** What it came to last, from the address that it came from: the same again and again. */
  readonly known: Known;
  readonly principal: Principal;
}

/**
 * Says who is asking. Verdicts are cached under the hash of the token; no secret is kept longer than
 * the connection that shows it.
 */
export class Authenticator {
  /** How often whoever was let in may ask. */
  readonly limits: CallerLimits;
  readonly #tokens: TokenCatalog;
  readonly #clock: Clock;
  readonly #older: OlderAnswers;
  readonly #anonymous: BlockList;
  readonly #known = new LRUCache<string, Known>({ max: 10_000 });
  /** Apart from the others, so that made-up tokens push no real one out. */
  readonly #refused = new LRUCache<string, number>({ max: 10_000 });
  readonly #running = new Map<string, Promise<Known | undefined>>();
  readonly #shown = new WeakMap<object, Shown>();
  #changes = 0;
  /** Verdicts before it are not fresh, whatever their age. */
  #doubtedAt = Number.NEGATIVE_INFINITY;

  constructor(ports: AuthenticatePorts) {
    this.limits = ports.limits;
    this.#tokens = ports.tokens;
    this.#clock = ports.clock;
    this.#older = new OlderAnswers(ports.clock);
    this.#anonymous = addressesIn(ports.anonymousRead);
  }

  /**
   * The principal when no query is needed to say so; undefined otherwise, whatever the reason.
   * @param connection on which the same headers come again and again: what they come to is kept with it
   */
  authenticateCached(headers: CredentialHeaders, address: string, connection?: object): Principal | undefined {
    const { authorization, "x-auth-token": own } = headers;
    const last = connection === undefined ? undefined : this.#shown.get(connection);
    // Only the reading and the hash are spared: the verdict is asked for each time.
    const same = last !== undefined && last.own === own && last.authorization === authorization;
    const key = same ? last.key : this.#keyOf(headers);
    if (key === undefined) {
      const nothing = authorization === undefined && own === undefined;
      return nothing && contains(this.#anonymous, address) ? anonymous(address) : undefined;
    }
    const known = this.#fresh(key);
    if (known === undefined || this.#objection(known, address) !== undefined) return undefined;
    if (same && last.known === known && last.principal.address === address) return last.principal;
    const principal = principalOf(known, address);
    if (connection !== undefined) this.#shown.set(connection, { authorization, own, key, known, principal });
    return principal;
  }

  /**
   * The principal, else `unauthenticated`, or `too-many-requests` for one of many guesses. While the catalog is away or hangs, tokens it
   * knew lately are taken.
   */
  async authenticate(headers: CredentialHeaders, address: string): Promise<Principal> {
    const credentials = readCredentials(headers);
    if (credentials.kind === "none") {
      if (contains(this.#anonymous, address)) return anonymous(address);
      throw new CisternError(
        "unauthenticated",
        "a token is needed: Bearer, X-Auth-Token, or Basic with it as password",
      );
    }
    if (credentials.kind === "malformed") {
      const { field, rule } = credentials;
      throw new CisternError("unauthenticated", `${field}: ${rule}`, { fields: [{ field, rule }] });
    }
    const key = hashOf(credentials.token);
    const guess = this.#isGuess(key) ? this.limits.guess(address) : undefined;
    const known = await this.#find(key);
    if (known === undefined) guess?.wrong();
    const objection = known === undefined ? "the token is not valid" : this.#objection(known, address);
    if (known === undefined || objection !== undefined) {
      throw new CisternError("unauthenticated", objection ?? "the token is not valid");
    }
    return principalOf(known, address);
  }

  /** Known tokens are asked for whatever else comes from their address; the same wrong one is one guess. */
  #isGuess(key: string): boolean {
    return !this.#known.has(key) && !this.#refused.has(key) && !this.#running.has(key);
  }

  /** The hash of the token that is shown; undefined when none is. */
  #keyOf(headers: CredentialHeaders): string | undefined {
    const credentials = readCredentials(headers);
    return credentials.kind === "token" ? hashOf(credentials.token) : undefined;
  }

  /**
   * Forgets a token that was revoked. undefined: any may have been; all are asked for again, and
   * serve until then only while the catalog is away.
   */
  forget(id: TokenId | undefined): void {
    this.#changes += 1;
    if (id === undefined) this.#doubtedAt = this.#clock.monotonic();
    for (const [key, known] of this.#known.entries()) if (known.token.id === id) this.#known.delete(key);
  }

  #fresh(key: string): Known | undefined {
    const known = this.#known.get(key);
    const fresh = known !== undefined && known.at > this.#doubtedAt && this.#clock.monotonic() - known.at < FRESH_MS;
    return fresh ? known : undefined;
  }

  #objection({ token, from }: Known, address: string): string | undefined {
    if (token.revokedAt !== undefined) return "the token was revoked";
    if (token.expiresAt !== undefined && token.expiresAt.getTime() <= this.#clock.now().getTime()) {
      return "the token has expired";
    }
    return from === undefined || contains(from, address) ? undefined : "the token may not be used from this address";
  }

  async #find(key: string): Promise<Known | undefined> {
    const fresh = this.#fresh(key);
    if (fresh !== undefined) return fresh;
    const refusedAt = this.#refused.get(key);
    if (refusedAt !== undefined && this.#clock.monotonic() - refusedAt < REFUSED_MS) return undefined;
    const stale = this.#known.get(key);
    const usable = stale !== undefined && this.#clock.monotonic() - stale.at < FRESH_MS + STALE_MS;
    return await this.#older.choose(this.#running.get(key) ?? this.#query(key), usable ? stale : undefined);
  }

  #query(key: string): Promise<Known | undefined> {
    const changes = this.#changes;
    const query = this.#tokens
      .findByHash(key)
      .then((token) => {
        const at = this.#clock.monotonic();
        if (token === undefined) {
          this.#known.delete(key);
          this.#refused.set(key, at);
          return undefined;
        }
        const known = knownOf(token, at);
        // A revocation during the query may not be in its answer.
        if (changes === this.#changes) this.#known.set(key, known);
        return known;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, query);
    return query;
  }
}

const READER: readonly Role[] = ["reader"];

function anonymous(address: string): Principal {
  return { tokenId: "anonymous", project: "", roles: READER, address };
}

function principalOf(known: Known, address: string): Principal {
  if (known.principal.address !== address) known.principal = { ...known.principal, address };
  return known.principal;
}

function knownOf(token: TokenRecord, at: number): Known {
  const { id, project, roles, cidrs } = token;
  const from = cidrs.length === 0 ? undefined : addressesIn(cidrs);
  return { token, principal: { tokenId: id, project, roles, address: "" }, from, at };
}

function hashOf(token: string): string {
  return hash("sha256", token, "hex");
}
