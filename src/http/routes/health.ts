import { Hono } from "hono";
import type { EdgeEnv } from "../caller.ts";

const READY_MS = 5_000;

export interface HealthPorts {
  /** Rejects when this process cannot serve now: the catalog or the store does not answer. */
  ready(signal: AbortSignal): Promise<void>;
}

/** `/livez`: the process runs. `/readyz`: it can serve. Both say no more, for anybody may ask. */
export function healthRoutes(ports: HealthPorts): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  routes.get("/livez", () => bare(200));
  routes.get("/readyz", async () => bare((await isReady(ports)) ? 200 : 503));
  return routes;
}

async function isReady(ports: HealthPorts): Promise<boolean> {
  const signal = AbortSignal.timeout(READY_MS);
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  try {
    await Promise.race([ports.ready(signal), late]);
    return true;
  } catch {
    return false; // why, the part that fails reports itself
  }
}

function bare(status: 200 | 503): Response {
  const headers: Record<string, string> = { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" };
  if (status === 503) headers["Retry-After"] = "5";
  return new Response(status === 200 ? "ok\n" : "not ready\n", { status, headers });
}
