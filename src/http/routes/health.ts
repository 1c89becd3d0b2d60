import { z } from "zod";
import type { Clock } from "../../domain/clock.ts";
import { isAdmin } from "../../domain/principal.ts";
import type { Authenticator } from "../authenticate.ts";
import { callerOf, type EdgeContext, methodNotAllowed } from "../caller.ts";
import { DescribedRoutes } from "../described-routes.ts";
import { media, type Operation } from "../operation.ts";
import { type PartCheck, PartChecks } from "../part-checks.ts";

export interface HealthPorts {
  /** What this process stands on, by name. */
  readonly parts: Readonly<Record<string, PartCheck>>;
  /** Names of the parts without which nothing can be served. */
  readonly required: readonly string[];
  /** True when this process is leaving. */
  draining(): boolean;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
}

type Status = "ok" | "degraded" | "not ready";

const bare = media("text/plain");
const detailed = media(
  "application/json",
  z.object({
    status: z.enum(["ok", "degraded", "not ready"]),
    draining: z.boolean(),
    parts: z.record(z.string(), z.enum(["ok", "unavailable"])),
  }),
);
const common = { method: "get", face: "openstack", tags: ["health"], roles: "anyone" } as const;
const HEALTH_OPERATIONS: readonly Operation[] = [
  { ...common, path: "/livez", summary: "The process runs", responses: { 200: bare } },
  {
    ...common,
    path: "/readyz",
    summary: "Requests may be sent to it; operators are told which part is missing",
    responses: { 200: [bare, detailed], 503: [bare, detailed] },
  },
];

/** How long a catalog that hangs may keep an operator from the bare answer. */
const KNOWN_BY_MS = 750;

/**
 * `/livez`: the process runs. `/readyz`: requests may be sent to it. That stays so while a part is
 * missing that it can do without: hot hits go on, and a balancer that left all replicas at once would
 * stop those too. Which part it is, only operators are told.
 */
export function healthRoutes(ports: HealthPorts): DescribedRoutes {
  const checks = new PartChecks(ports.parts, ports.clock);
  const routes = new DescribedRoutes(HEALTH_OPERATIONS);
  routes.get("/livez", () => answer(200, "ok\n", "text/plain; charset=utf-8"));
  routes.all("/livez", methodNotAllowed("openstack", ["GET", "HEAD"]));
  routes.get("/readyz", async (context) => {
    const [verdicts, operator] = await Promise.all([checks.verdicts(), isOperator(ports, context)]);
    const draining = ports.draining();
    const status = statusOf(ports, verdicts, draining);
    const code = status === "not ready" ? 503 : 200;
    if (!operator) return answer(code, `${status}\n`, "text/plain; charset=utf-8");
    const parts = Object.fromEntries([...verdicts].map(([name, ok]) => [name, ok ? "ok" : "unavailable"]));
    return answer(code, `${JSON.stringify({ status, draining, parts })}\n`, "application/json");
  });
  routes.all("/readyz", methodNotAllowed("openstack", ["GET", "HEAD"]));
  return routes;
}

function statusOf(ports: HealthPorts, verdicts: ReadonlyMap<string, boolean>, draining: boolean): Status {
  const missing = [...verdicts].flatMap(([name, ok]) => (ok ? [] : [name]));
  if (draining || missing.some((name) => ports.required.includes(name))) return "not ready";
  return missing.length > 0 ? "degraded" : "ok";
}

/** Anybody may ask: whoever shows no token that is known now gets the bare answer. */
async function isOperator({ authenticator, clock }: HealthPorts, context: EdgeContext): Promise<boolean> {
  const over = new AbortController();
  const late = clock.sleep(KNOWN_BY_MS, over.signal).then(
    () => undefined,
    () => undefined,
  );
  const known = callerOf(context, authenticator).catch(() => undefined);
  const principal = await Promise.race([known, late]);
  over.abort();
  return principal !== undefined && (isAdmin(principal) || principal.roles.includes("auditor"));
}

function answer(status: 200 | 503, body: string, type: string): Response {
  const headers: Record<string, string> = { "Content-Type": type, "Cache-Control": "no-store" };
  if (status === 503) headers["Retry-After"] = "5";
  return new Response(body, { status, headers });
}
