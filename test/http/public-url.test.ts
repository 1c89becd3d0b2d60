import { expect, test } from "vitest";
import { startEmbedded } from "../support/embedded-app.ts";

test("links go by CISTERN_PUBLIC_URL, and by no header of the request", async () => {
  const publicUrl = "https://cistern.example/base";
  await using cistern = await startEmbedded({ env: { CISTERN_PUBLIC_URL: publicUrl } });
  const headers = { "Content-Type": "application/json", "X-Forwarded-Host": "evil.example", Host: "evil.example" };
  const post = async (path: string, body: unknown) =>
    (await cistern.ask("POST", path, { headers, body: JSON.stringify(body) })).headers.location;
  expect(await post("/artifacts/images", { name: "image" })).toMatch(
    new RegExp(`^${publicUrl}/artifacts/images/[0-9a-f-]{36}$`),
  );
  expect(await post("/v1/tokens", { name: "ci", project: "blue", roles: ["reader"] })).toMatch(
    new RegExp(`^${publicUrl}/v1/tokens/.`),
  );
});
