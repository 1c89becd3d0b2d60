import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { CatalogAudit } from "../../src/artifact/audit-trail.ts";
import { createToken, type TokenRequest } from "../../src/artifact/tokens.ts";
import { PolicyInForce } from "../../src/cache/policy-in-force.ts";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import type { BlobId, BlobRef } from "../../src/domain/blob.ts";
import type { ContentStore } from "../../src/domain/content-store.ts";
import type { Role } from "../../src/domain/principal.ts";
import { Authenticator } from "../../src/http/authenticate.ts";
import { CallerLimits, type CallerRates } from "../../src/http/caller-limits.ts";
import { composeFaces } from "../../src/http/faces.ts";
import { openApiDocument } from "../../src/http/openapi/document.ts";
import { parsePolicyText } from "../../src/http/policy-body.ts";
import { artifactRoutes } from "../../src/http/routes/artifacts.ts";
import { auditRoutes } from "../../src/http/routes/audit.ts";
import { openApiRoutes } from "../../src/http/routes/openapi.ts";
import { schemaRoutes } from "../../src/http/routes/schemas.ts";
import { tokenRoutes } from "../../src/http/routes/tokens.ts";
import { HttpSource } from "../../src/origin/http-source.ts";
import { ORIGIN_DEFAULTS } from "../../src/origin/options.ts";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { WorkerHasher } from "../../src/store/hasher/worker-hasher.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { systemClock } from "../../src/telemetry/system-clock.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { expectConformance } from "../support/documents.ts";
import { ENDLESS_ROOM } from "../support/endless-room.ts";
import { ENDLESS } from "./no-limits.ts";

export interface EdgeOptions {
  readonly rates?: Partial<CallerRates>;
  readonly maxUploadBytes?: number;
  readonly spoolBytes?: number;
  readonly stallMs?: number;
  readonly anonymousRead?: readonly string[];
  readonly publicUrl?: string;
}

/** The artifact and token API over the real catalog, store and spool, without the read path. */
export interface Edge extends AsyncDisposable {
  readonly port: number;
  readonly catalog: Catalog;
  readonly store: ContentStore;
  readonly directory: string;
  /** Faults that were reported. */
  readonly faults: unknown[];
  /** What the rest of the process was told of changes. */
  readonly changed: BlobRef[];
  readonly removed: BlobId[];
  readonly policy: PolicyInForce;
  /** Locations whose registration was told. */
  readonly registered: BlobRef[];
  /** A token of this project. */
  token(project: string, roles: readonly Role[], more?: Partial<TokenRequest>): Promise<string>;
}

const ADMIN = { tokenId: "test", project: "admin", roles: ["admin"], address: "" } as const;
/** A host that members may name. */
export const MEMBER_HOST = "mirror.example";

export async function openEdge(options: EdgeOptions = {}): Promise<Edge> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const catalog = stack.use(await openCatalog({ directory: join(directory.path, "catalog") }));
  const store = await openFilesystemStore(join(directory.path, "store"));
  const spool = await openSpool(join(directory.path, "spool"), options.spoolBytes ?? 2 ** 30);
  const hasher = stack.use(new WorkerHasher());
  const source = stack.use(
    new HttpSource(
      { ...ORIGIN_DEFAULTS, allow: [], memberHosts: [MEMBER_HOST], ownAddresses: () => [], loopId: "cistern-test" },
      { clock: systemClock, resolve: () => Promise.reject(new Error("nothing is resolved here")) },
    ),
  );
  const { tokens } = catalog;
  const clock = systemClock;
  const limits = new CallerLimits({ ...ENDLESS, ...options.rates }, systemClock.monotonic);
  const authenticator = new Authenticator({ tokens, clock, anonymousRead: options.anonymousRead ?? [], limits });
  const faults: unknown[] = [];
  const changed: BlobRef[] = [];
  const removed: BlobId[] = [];
  const policy = new PolicyInForce({
    policies: catalog.policies,
    events: { emit: () => undefined },
    clock,
    parse: parsePolicyText,
    fallback: "cache",
  });
  const registered: BlobRef[] = [];
  const ports = {
    ...catalog,
    policy,
    onRegistered: (ref: BlobRef) => void registered.push(ref),
    authenticator,
    publicUrl: options.publicUrl,
    answers: catalog.firstAnswers,
    store,
    spool,
    hasher,
    source,
    clock,
    audit: new CatalogAudit({ catalog: catalog.auditRows, clock, events: { emit: () => undefined } }),
    changes: {
      onBlobChanged: (ref: BlobRef) => void changed.push(ref),
      onBlobsRemoved: (ids: readonly BlobId[]) => void removed.push(...ids),
    },
    stallMs: options.stallMs ?? 60_000,
    room: ENDLESS_ROOM,
    holder: "edge",
    maxBytes: options.maxUploadBytes ?? 2 ** 30,
    report: (error: unknown) => void faults.push(error),
    onTokenRevoked: authenticator.forget.bind(authenticator),
  };
  let document: unknown;
  const { main: routes } = composeFaces({
    everywhere: [],
    replicas: [],
    main: [artifactRoutes(ports), schemaRoutes(ports)],
    admin: [auditRoutes(ports), tokenRoutes(ports)],
    document(operations) {
      const own = openApiRoutes(ports, operations, { version: "test", publicUrl: options.publicUrl });
      document = openApiDocument([...operations, ...own.operations], { version: "test", publicUrl: undefined });
      return own;
    },
    separateAdmin: false,
  });
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    void getRequestListener(routes.fetch, { overrideGlobalObjects: false })(request, response);
  });
  const port = await listening(server);
  expectConformance(port, document);
  stack.defer(() => closed(server));
  const parts = stack.move();
  return {
    port,
    catalog,
    store,
    directory: directory.path,
    faults,
    policy,
    registered,
    changed,
    removed,
    async token(project, roles, more = {}) {
      const request = { name: project, project, roles, cidrs: [], expiresAt: undefined, ...more };
      return (await createToken(ports, ADMIN, request)).secret;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Everything that a refused request must leave as it is: the records, and that nothing was noted of it. */
export async function snapshot(edge: Edge): Promise<string> {
  return JSON.stringify([await records(edge), await edge.catalog.auditRows.list({}, undefined, 1000)]);
}

/** What is left of changes, without the audit, which keeps them. */
export async function records(edge: Edge): Promise<string> {
  const { artifacts, tokens, contents } = edge.catalog;
  const page = await artifacts.list({ type: undefined, visibleTo: undefined, limit: 1000 });
  const objects: unknown[] = [];
  for await (const object of edge.store.list(AbortSignal.timeout(10_000))) objects.push(object);
  return JSON.stringify([page, await tokens.list(1_000, undefined), await contents.use(), objects]);
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new TypeError("not a TCP listener"));
      else resolve(address.port);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
