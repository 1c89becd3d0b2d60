import { describe, expect, test } from "vitest";
import { healthRoutes } from "../../../src/http/routes/health.ts";

const get = (path: string, ready: () => Promise<void>) => healthRoutes({ ready }).request(path);

describe("health", () => {
  test("livez says that the process runs, whatever else is down", async () => {
    const answer = await get("/livez", () => Promise.reject(new Error("the database is down")));
    expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
  });

  test("readyz says whether it can serve, and not why", async () => {
    expect((await get("/readyz", () => Promise.resolve())).status).toBe(200);
    const answer = await get("/readyz", () => Promise.reject(new Error("secret")));
    expect([answer.status, answer.headers.get("retry-after"), await answer.text()]).toEqual([503, "5", "not ready\n"]);
  });
});
