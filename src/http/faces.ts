import { Hono } from "hono";
import { type EdgeEnv, pathNotFound } from "./caller.ts";

export interface FaceParts {
  /** On every listener. */
  readonly health: Hono<EdgeEnv>;
  /** What clients ask, in the order in which they are matched. */
  readonly main: readonly Hono<EdgeEnv>[];
  /** What operators ask: `/v1`, and what else is theirs. */
  readonly admin: readonly Hono<EdgeEnv>[];
  /** The operators' part has a listener of its own. */
  readonly separateAdmin: boolean;
}

/** The routes of each listener. */
export interface Faces {
  readonly main: Hono<EdgeEnv>;
  /** undefined: the main listener has them. */
  readonly admin: Hono<EdgeEnv> | undefined;
}

/** Says which listener serves what; on the other one a path is not there. */
export function composeFaces({ health, main, admin, separateAdmin }: FaceParts): Faces {
  if (!separateAdmin) return { main: joined([...main, ...admin, health]), admin: undefined };
  return { main: joined([...main, health]), admin: joined([...admin, health]) };
}

function joined(parts: readonly Hono<EdgeEnv>[]): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  for (const part of parts) routes.route("/", part);
  return routes.notFound(pathNotFound);
}
