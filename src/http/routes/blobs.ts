import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { ALGORITHMS, type Algorithm } from "../../domain/digest.ts";
import { CisternError, invalid } from "../../domain/errors.ts";
import type { Authenticator } from "../authenticate.ts";
import { parseBlobPath } from "../blob-path.ts";
import { type EdgeContext, errorHandler, readerOf } from "../caller.ts";
import { DescribedRoutes } from "../described-routes.ts";
import { type ServeBlobPorts, serveBlob } from "../serve-blob.ts";
import { BLOB_OPERATIONS } from "./artifact-operations.ts";

export interface BlobRoutePorts extends ServeBlobPorts {
  readonly authenticator: Authenticator;
  /** This process's name in `CDN-Loop` (RFC 8586): a request that carries it comes from ourselves. */
  readonly loopId: string;
  /** Told of faults of our own; a client hears only that there was one. */
  report(error: unknown): void;
}

/** GET and HEAD of a blob, and its checksums as text (`?checksum=sha256`). */
export function blobRoutes(ports: BlobRoutePorts): DescribedRoutes {
  const routes = new DescribedRoutes(BLOB_OPERATIONS);
  routes.onError(errorHandler("openstack", (error) => ports.report(error)));
  for (const path of ["/artifacts/:type/:id/:field", "/artifacts/:type/:id/:field/:key"]) {
    routes.get(path, (context) => answer(ports, context));
  }
  return routes;
}

async function answer(ports: BlobRoutePorts, context: EdgeContext): Promise<Response> {
  const { incoming, outgoing } = context.env;
  if (incoming.headers["cdn-loop"]?.includes(ports.loopId) === true) {
    throw new CisternError("origin-loop", "the location leads back to Cistern itself");
  }
  const principal = await readerOf(context, ports.authenticator);
  const { type = "", id = "", field = "", key } = context.req.param() as Record<string, string | undefined>;
  const ref = parseBlobPath(type, id, field, key);
  const asked = incoming.url?.includes("?") === true ? context.req.query("checksum") : undefined;
  if (asked === undefined) {
    await serveBlob(ports, incoming, outgoing, { type, ref }, principal);
    return RESPONSE_ALREADY_SENT;
  }
  const { name, hex } = await ports.opener.checksum({ ref, type, principal }, algorithm(asked));
  return context.text(`${hex}  ${name}\n`);
}

function algorithm(text: string): Algorithm {
  const known = ALGORITHMS.find((name) => name === text);
  if (known === undefined) throw invalid("query.checksum", `must be one of ${ALGORITHMS.join(", ")}`);
  return known;
}
