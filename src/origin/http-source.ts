import type { Agent } from "undici";
import { CisternError, isCisternError } from "../domain/errors.ts";
import { type ExternalLocation, originOf, type SetBy } from "../domain/location.ts";
import type { HeadRequest, Source, SourceAnswer, SourceHead, SourceRequest } from "../domain/source.ts";
import { AddressGuard } from "./address-guard.ts";
import { type AnswerHead, readHead, toldHead } from "./answer-head.ts";
import { type Exchange, exchange } from "./exchange.ts";
import { atOrigin, unreachable } from "./failure.ts";
import { guardedConnector } from "./guarded-connector.ts";
import { LocationGuard } from "./location-guard.ts";
import type { OriginOptions, OriginPorts } from "./options.ts";
import { RateFloor } from "./rate-floor.ts";
import { redirectTarget, tooManyRedirects } from "./redirects.ts";
import { basicCredentials, requestHeaders } from "./request-headers.ts";
import type { ResponseBody } from "./response-body.ts";
import { tracedAgent } from "./traced-agent.ts";

/** Origins over http and https. */
export class HttpSource implements Source, AsyncDisposable {
  readonly #options: OriginOptions;
  readonly #clock: OriginPorts["clock"];
  readonly #guard: LocationGuard;
  // Apart, so that a connection that an admin's location opened never carries a member's request.
  readonly #agents: Readonly<Record<SetBy, Agent>>;

  constructor(options: OriginOptions, ports: OriginPorts) {
    this.#options = options;
    this.#clock = ports.clock;
    const addresses = new AddressGuard(options.allow, options.ownAddresses);
    this.#guard = new LocationGuard(addresses, options.memberHosts);
    const connect = guardedConnector(addresses, ports.resolve, options.timeouts.connectMs);
    const agent = () => tracedAgent(connect, { pipelining: 1, allowH2: false, keepAliveMaxTimeout: 60_000 });
    this.#agents = { admin: agent(), member: agent() };
  }

  admissible(location: ExternalLocation): void {
    judge(location, undefined, () => this.#guard.check(new URL(location.url), location.setBy));
  }

  async open(request: SourceRequest, signal: AbortSignal): Promise<SourceAnswer> {
    // A resume that nothing would hold to the same bytes begins anew.
    const asked = request.validator === undefined ? { ...request, offset: 0 } : request;
    const { status, headers, body } = await this.#follow("GET", asked, asked, signal);
    const head = judge(asked.location, body, () => readHead(status, headers, asked, this.#clock.now()));
    if (head.status === 206 && changed(head, asked)) {
      // An origin that knows Range but not If-Range: what it has now is another content.
      body.abort(new Error("the content has changed"));
      return await this.open({ ...request, offset: 0, validator: undefined }, signal);
    }
    const floor = new RateFloor(this.#options.minimumRate);
    const reachesEnd = head.status === 200 || head.offset + (head.length ?? 0) === head.total;
    body.begin(head.length, reachesEnd, this.#options.timeouts.stallMs, (ms, bytes) => floor.note(ms, bytes));
    const { offset, total, validator, framed } = head;
    return { offset, total, validator, framed, status, body };
  }

  async head(request: HeadRequest, signal: AbortSignal): Promise<SourceHead> {
    const { location } = request;
    const late = AbortSignal.timeout(this.#options.timeouts.sizeMs);
    try {
      const { status, headers, body } = await this.#follow("HEAD", request, undefined, AbortSignal.any([signal, late]));
      return judge(location, body, () => toldHead(status, headers, this.#clock.now()));
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error;
      const origin = originOf(location.url);
      throw new CisternError("origin-timeout", "the origin did not answer in time", { cause: error, origin });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#agents.admin.destroy(), this.#agents.member.destroy()]);
  }

  /** Sends the request, and again to where redirects lead; every hop is guarded. */
  async #follow(
    method: "GET" | "HEAD",
    asked: HeadRequest,
    range: SourceRequest | undefined,
    signal: AbortSignal,
  ): Promise<Exchange> {
    const { location } = asked;
    let url = new URL(location.url);
    const secret = basicCredentials(url);
    url.username = "";
    url.password = "";
    const { origin } = url;
    const seen = new Set<string>();
    for (;;) {
      judge(location, undefined, () => this.#guard.check(url, location.setBy));
      seen.add(url.href);
      const headers = requestHeaders(this.#options.loopId, range, url.origin === origin ? secret : undefined);
      const answer = await this.#send(method, url, headers, asked, signal);
      const { status, body } = answer;
      const target = judge(location, body, () => redirectTarget(status, answer.headers.location, url));
      if (target === undefined) return answer;
      body.abort(new Error("redirected"));
      if (seen.size > this.#options.maxRedirects || seen.has(target.href)) {
        throw atOrigin(tooManyRedirects(status), originOf(location.url));
      }
      judge(location, undefined, () => range?.judgeHop?.(target.href));
      url = target;
    }
  }

  async #send(
    method: "GET" | "HEAD",
    url: URL,
    headers: Record<string, string>,
    { location, onHop }: HeadRequest,
    signal: AbortSignal,
  ): Promise<Exchange> {
    const { connectMs, headersMs, stallMs } = this.#options.timeouts;
    const monotonic = () => this.#clock.monotonic();
    let address: string | undefined;
    const onSent = (connected: string | undefined) => {
      address = connected;
    };
    const hop = { method, url: url.href };
    try {
      const request = { method, url, headers, origin: originOf(location.url), connectMs, headersMs, stallMs, onSent };
      const answer = await exchange(this.#agents[location.setBy], request, monotonic, signal);
      onHop?.({ ...hop, address, status: answer.status, code: undefined });
      return answer;
    } catch (error) {
      onHop?.({ ...hop, address, status: undefined, code: error instanceof CisternError ? error.code : undefined });
      signal.throwIfAborted();
      if (!(error instanceof CisternError)) throw error;
      // What a name resolves to inside is not for a member to learn (I8).
      const hidden = location.setBy === "member" && isCisternError(error, "address-not-allowed");
      throw atOrigin(hidden ? unreachable(error) : error, originOf(location.url));
    }
  }
}

/** Judges a URL or an answer. An error names the location's host, and closes the answer's connection. */
function judge<T>(location: ExternalLocation, body: ResponseBody | undefined, verdict: () => T): T {
  try {
    return verdict();
  } catch (error) {
    const named = error instanceof CisternError ? atOrigin(error, originOf(location.url)) : error;
    body?.abort(named instanceof Error ? named : new Error("refused"));
    throw named;
  }
}

function changed(head: AnswerHead, request: SourceRequest): boolean {
  const { validator } = request;
  return validator !== undefined && head.validator?.kind === validator.kind && head.validator.value !== validator.value;
}
