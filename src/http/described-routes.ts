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

  /** Routes that no operation tells of, and operations that no route serves, as `GET /path`. */
  differences(): readonly string[] {
    const served = new Set(this.routes.filter(({ method }) => method !== "ALL").map(nameOf));
    // A GET answers HEAD as well.
    const reading = (name: string) => name.replace(/^HEAD /, "GET ");
    const told = new Set(this.operations.map(nameOf));
    return [
      ...[...served].filter((name) => !told.has(name)),
      ...[...told].filter((name) => !served.has(name) && !served.has(reading(name))),
    ];
  }
}

function nameOf({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method.toUpperCase()} ${path}`;
}
