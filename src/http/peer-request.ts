import type { PeerCredentials } from "../domain/peer.ts";
import type { EdgeContext } from "./caller.ts";

/** What another replica has proved to ask. */
export interface PeerRequest {
  readonly query: URLSearchParams;
  /** Proves a statement to be the answer to this request. */
  vouch(statement: string): string;
}

/** undefined: whoever asks proves nothing. */
export function provedRequest({ env }: EdgeContext, credentials: PeerCredentials): PeerRequest | undefined {
  const { method = "", url: target = "", headers } = env.incoming;
  const { authorization } = headers;
  if (authorization === undefined || !credentials.verify({ method, target }, authorization)) return undefined;
  return {
    query: new URL(target, "http://replica").searchParams,
    vouch: (statement) => credentials.vouch(authorization, statement),
  };
}

/** An answer without a body: what is not a replica hears nothing but 401. */
export function bare(status: 400 | 401 | 409 | 503, headers: Record<string, string> = {}): Response {
  const challenge = status === 401 ? { "WWW-Authenticate": "Cistern-Peer" } : {};
  return new Response(null, { status, headers: { "Cache-Control": "no-store", ...challenge, ...headers } });
}
