import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { freePort } from "../support/free-port.ts";
import { PLACES, type Place, Places } from "./matrix/place.ts";
import { type Needs, requestOf, type Sent } from "./matrix/requests.ts";
import { type Line, lines } from "./matrix/table.ts";

const DOCUMENT = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ security: z.array(z.unknown()).optional() }))),
});
const ID = z.looseObject({ id: z.string() });
const BODY = Buffer.from("the bytes of everything");

let origin: Server;
let cistern: Embedded;
let places: Places;
let needs: Needs;
/** Tokens in the order of the table; null: none. */
let callers: readonly (string | null)[] = [];
const shared = new Map<string, { place: Place; fill: string }>();

beforeAll(async () => {
  const port = await freePort();
  origin = createServer((_, response) => response.end(BODY)).listen(port, "127.0.0.1");
  cistern = await startEmbedded({
    env: { CISTERN_ANONYMOUS_READ: "127.0.0.0/8", CISTERN_ORIGIN_HOSTS: `127.0.0.1:${port}` },
  });
  const of = (project: string, role: string) => cistern.token(project, [role]);
  const members = new Map([
    ["blue", await of("blue", "member")],
    ["red", await of("red", "member")],
  ]);
  const bytes = { url: `http://127.0.0.1:${port}/file`, sha256: createHash("sha256").update(BODY).digest("hex") };
  places = new Places(cistern, bytes, members);
  callers = [
    null,
    await of("blue", "reader"),
    members.get("blue") ?? "",
    await of("blue", "auditor"),
    await of("blue", "admin"),
    await of("green", "member"),
  ];
  needs = { bytes, token: makeToken, fill: (place) => places.fill(place) };
  for (const name of PLACES) {
    const place = await places.make(name);
    shared.set(name, { place, fill: await places.fill(place) });
  }
});

afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  origin.close();
  origin.closeAllConnections();
});

async function makeToken(): Promise<string> {
  const body = JSON.stringify({ name: "t", project: "blue", roles: ["reader"] });
  const headers = { "Content-Type": "application/json" };
  return ID.parse(JSON.parse((await cistern.ask("POST", "/v1/tokens", { headers, body })).body.toString())).id;
}

async function ask(method: string, sent: Sent, token: string | null) {
  const { path, json, type = "application/json", headers = {} } = sent;
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const typed = json === undefined ? headers : { "Content-Type": type, ...headers };
  return cistern.ask(method, path, { token, headers: typed, ...body });
}

/** The letter of what a caller is answered. */
async function letter({ route, passes }: Line, token: string | null, name: string): Promise<string> {
  const { changes, lists, send } = requestOf(route);
  const known = shared.get(name);
  if (known === undefined) throw new Error(`there is no ${name}`);
  const place = changes === true ? await places.make(name) : known.place;
  const { status, body } = await ask(route.split(" ")[0] ?? "", await send(place, needs), token);
  const passed = new RegExp(`^${passes.replaceAll("x", "\\d")}$`).test(String(status));
  if (passed && lists !== undefined) return body.includes(lists === "fill" ? known.fill : known.place.id) ? "." : "4";
  if (passed) return ".";
  return status === 403 || status === 404 ? String(status % 10) : `[${status} ${body.toString().slice(0, 200)}]`;
}

/** What the table should have: each caller in turn, for nothing is to depend on who came before. */
async function cellOf(line: Line, name: string): Promise<string> {
  let cell = "";
  for (const token of callers) cell += await letter(line, token, name);
  return cell;
}

async function document() {
  return DOCUMENT.parse(JSON.parse((await cistern.ask("GET", "/openapi.json")).body.toString()));
}

test("the table has a line for each route, and none besides", async () => {
  const { paths } = await document();
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const told = lines().map(({ route }) => route);
  expect(told.toSorted()).toEqual(routes.toSorted());
});

describe("of an artifact, each caller may", () => {
  test.each(lines().filter(({ cells }) => cells.length > 1))("$route", async (line) => {
    const cells: string[] = [];
    for (const name of PLACES) cells.push(await cellOf(line, name));
    expect(Object.fromEntries(PLACES.map((name, index) => [name, cells[index]]))).toEqual(
      Object.fromEntries(PLACES.map((name, index) => [name, line.cells[index]])),
    );
  });
});

describe("of what belongs to no project, each caller may", () => {
  test.each(lines().filter(({ cells }) => cells.length === 1))("$route", async (line) => {
    expect(await cellOf(line, "blue private")).toBe(line.cells[0]);
  });
});

test("without a token, and from elsewhere, nothing but what is for anyone is answered", async () => {
  await using closed = await startEmbedded();
  const { paths } = await document();
  for (const { route } of lines()) {
    const [method = "", path = ""] = route.split(" ");
    const { path: asked } = await requestOf(route).send(
      shared.get("blue private")?.place ?? { id: "", path: "" },
      needs,
    );
    const open = paths[path]?.[method.toLowerCase()]?.security?.length === 0;
    const { status } = await closed.ask(method, asked, { token: null });
    expect([route, status]).toEqual([route, open ? 200 : 401]);
  }
});
