import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/config.ts";
import { checkConformance, expectConformance } from "./documents.ts";
import { type AskOptions, ask, type SeenAnswer } from "./http-client.ts";

const LOCATION = "application/vnd+openstack.glare-custom-location+json";
const PATCH = "application/json-patch+json";
const ADMIN = "cst_an-admin-token-for-tests-only-0123456789";

export interface Location {
  readonly url: string;
  readonly md5?: string;
  readonly sha1?: string;
  readonly sha256?: string;
  readonly sha512?: string;
  readonly size?: number;
}

/** The whole application in this process, over a data directory of its own and a real listener. */
export interface Embedded extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly adminToken: string;
  /** One request; as the admin unless a token (or null: none) is given. */
  ask(method: string, path: string, options?: AskOptions & { readonly token?: string | null }): Promise<SeenAnswer>;
  /** Registers an active image and answers the path of its bytes. */
  image(location: Location, mirrors?: Readonly<Record<string, Location>>, token?: string): Promise<string>;
  /** Makes a token; answers its secret. */
  token(project: string, roles: readonly string[]): Promise<string>;
}

export interface EmbeddedOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A directory that outlives the application; without one it is made and removed. */
  readonly dataDir?: string;
}

let names = 0;

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** From now on what `ask` is answered must be as the application's own document says. */
async function expectDocumented(url: string): Promise<void> {
  if (!url.startsWith("http:")) return;
  const { body } = await ask(`${url}/openapi.json`);
  expectConformance(portOf(url), JSON.parse(body.toString()));
}

export async function startEmbedded(options: EmbeddedOptions = {}): Promise<Embedded> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "cistern-test-")));
  const config = loadConfig({
    CISTERN_LISTEN: "127.0.0.1:0",
    CISTERN_DATA_DIR: dataDir,
    CISTERN_ADMIN_TOKEN: ADMIN,
    CISTERN_ORIGIN_ALLOW: "127.0.0.0/8",
    CISTERN_LOG_LEVEL: "silent",
    CISTERN_DRAIN_TIME: "PT1S",
    ...options.env,
  });
  const app = await startApp(config);
  await expectDocumented(app.url);
  const call: Embedded["ask"] = async (method, path, { token = ADMIN, headers, ...rest } = {}) => {
    const answer = await ask(`${app.url}${path}`, {
      ...rest,
      method,
      headers: { ...(token === null ? {} : { "X-Auth-Token": token }), ...headers },
    });
    const { status, headers: answered, body, complete } = answer;
    // Only looked at where there is a schema: bytes of a blob may be many.
    const text = () => body.toString();
    if (complete)
      checkConformance(portOf(app.url), { method, path, status, headers: answered, length: body.length, text });
    return answer;
  };
  const json = async (method: string, path: string, type: string, body: unknown, token = ADMIN): Promise<Buffer> => {
    const answer = await call(method, path, { headers: { "Content-Type": type }, body: JSON.stringify(body), token });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`);
    return answer.body;
  };
  return {
    url: app.url,
    dataDir,
    adminToken: ADMIN,
    ask: call,
    async image(location, mirrors = {}, token = ADMIN) {
      names += 1;
      const record = { name: `image-${names}`, container_format: "bare", disk_format: "raw" };
      const { id } = JSON.parse(String(await json("POST", "/artifacts/images", "application/json", record, token)));
      await json("PUT", `/artifacts/images/${id}/image`, LOCATION, location, token);
      for (const [name, mirror] of Object.entries(mirrors)) {
        await json("PUT", `/artifacts/images/${id}/mirrors/${name}`, LOCATION, mirror, token);
      }
      await json(
        "PATCH",
        `/artifacts/images/${id}`,
        PATCH,
        [{ op: "replace", path: "/status", value: "active" }],
        token,
      );
      return `/artifacts/images/${id}/image`;
    },
    async token(project, roles) {
      const body = { name: `${project}-${roles.join("-")}`, project, roles };
      return JSON.parse(String(await json("POST", "/v1/tokens", "application/json", body))).token;
    },
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
