import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { Authenticator } from "./authenticate.ts";
import { clientAddress } from "./client-address.ts";
import { isFault } from "./problem.ts";
import { type Face, faceOf, problemResponse } from "./render-problem.ts";

/** What hono knows of a request that Node's server took. */
export interface EdgeEnv {
  Bindings: HttpBindings;
}
export type EdgeContext = Context<EdgeEnv>;

/** Who sent this request; `unauthenticated`, `too-many-requests`. */
export async function callerOf(context: EdgeContext, authenticator: Authenticator): Promise<Principal> {
  const principal = await shownBy(context, authenticator);
  authenticator.limits.takeRequest(principal);
  return principal;
}

/** As `callerOf`, of a request for the bytes of a blob. */
export async function readerOf(context: EdgeContext, authenticator: Authenticator): Promise<Principal> {
  const principal = await shownBy(context, authenticator);
  authenticator.limits.takeRead(principal);
  return principal;
}

async function shownBy(context: EdgeContext, authenticator: Authenticator): Promise<Principal> {
  const { incoming } = context.env;
  const { headers } = incoming;
  const address = clientAddress(incoming);
  return authenticator.authenticateCached(headers, address) ?? (await authenticator.authenticate(headers, address));
}

/** Renders what a handler threw; faults of our own are reported. */
export function errorHandler(
  face: Face,
  report: (error: unknown) => void,
): (error: Error, context: EdgeContext) => Response {
  return (error, context) => {
    // A client that has left hears nothing, and its leaving is no fault.
    const gone = context.env.outgoing.destroyed && !(error instanceof CisternError);
    if (!gone && isFault(error)) report(error);
    return problemResponse(error, face);
  };
}

/** A handler for methods that a path does not take. RFC 9110 §15.5.6. */
export function methodNotAllowed(face: Face, allow: readonly string[]): () => Response {
  const rule = `must be one of ${allow.join(", ")}`;
  const error = new CisternError("method-not-allowed", `method: ${rule}`, { fields: [{ field: "method", rule }] });
  return () => problemResponse(error, face, { Allow: allow.join(", ") });
}

/** The handler for paths that no route takes. */
export function pathNotFound(context: EdgeContext): Response {
  const error = new CisternError("path-not-found", "there is nothing at this path", {
    fields: [{ field: "path", rule: "must be one that the API has" }],
  });
  return problemResponse(error, faceOf(context.req.path));
}
