import { Hono } from "hono";
import type { EdgeEnv } from "./caller.ts";
import type { Operation } from "./operation.ts";

/** Routes that know what they are: every one of them has its operation, for `/openapi.json`. */
export class DescribedRoutes extends Hono<EdgeEnv> {
  readonly operations: readonly Operation[];

  constructor(operations: readonly Operation[]) {
    super();
    this.operations = operations;
  }
}
