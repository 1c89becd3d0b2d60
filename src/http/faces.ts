import { Hono } from "hono";
import { type EdgeEnv, pathNotFound } from "./caller.ts";
import type { DescribedRoutes } from "./described-routes.ts";
import type { Operation } from "./operation.ts";

export interface FaceParts {
  /** On every listener: health, the document of all operations. */
  readonly everywhere: readonly DescribedRoutes[];
  /** What other replicas ask, on the main listener: no part of the API. */
  readonly replicas: readonly Hono<EdgeEnv>[];
  /** What clients ask, in the order in which they are matched. */
  readonly main: readonly DescribedRoutes[];
  /** What operators ask: `/v1`, and what else is theirs. */
  readonly admin: readonly DescribedRoutes[];
  /** Tells every operation of them all; on every listener. */
  readonly document: (operations: readonly Operation[]) => DescribedRoutes;
  /** The operators' part has a listener of its own. */
  readonly separateAdmin: boolean;
}

/** The routes of each listener. */
export interface Faces {
  readonly main: Hono<EdgeEnv>;
  /** undefined: the main listener has them. */
  readonly admin: Hono<EdgeEnv> | undefined;
}

/** Says which listener serves what; on the other one a path is not there. Every route but replicas' has to be told. */
export function composeFaces(parts: FaceParts): Faces {
  const { replicas, main, admin, separateAdmin } = parts;
  const described = [...main, ...admin, ...parts.everywhere];
  const untold = described.flatMap((part) => part.differences());
  if (untold.length > 0) throw new TypeError(`routes and their operations differ: ${untold.join(", ")}`);
  const everywhere = [...parts.everywhere, parts.document(described.flatMap(({ operations }) => operations))];
  if (!separateAdmin) return { main: joined([...replicas, ...main, ...admin, ...everywhere]), admin: undefined };
  return { main: joined([...replicas, ...main, ...everywhere]), admin: joined([...admin, ...everywhere]) };
}

function joined(parts: readonly Hono<EdgeEnv>[]): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  for (const part of parts) routes.route("/", part);
  return routes.notFound(pathNotFound);
}
