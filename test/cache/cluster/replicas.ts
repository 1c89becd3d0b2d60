import { join } from "node:path";
import { applyChange } from "../../../src/cache/catalog-watch.ts";
import { OpenObjects } from "../../../src/cache/open-objects.ts";
import type { BlobRequest } from "../../../src/cache/opened-blob.ts";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { loadConfig } from "../../../src/config/config.ts";
import type { BlobRef } from "../../../src/domain/blob.ts";
import { parseRange } from "../../../src/domain/byte-range.ts";
import type { CatalogChange } from "../../../src/domain/catalog-changes.ts";
import type { ObjectName } from "../../../src/domain/content.ts";
import type { ContentStore } from "../../../src/domain/content-store.ts";
import type { Sha256 } from "../../../src/domain/digest.ts";
import { isCisternError } from "../../../src/domain/errors.ts";
import type { CisternEvent } from "../../../src/domain/events.ts";
import type { RelayHost } from "../../../src/domain/peer.ts";
import type { Source } from "../../../src/domain/source.ts";
import { HttpPeers, PEER_DEFAULTS } from "../../../src/origin/peer/http-peers.ts";
import { SharedSecret } from "../../../src/origin/peer/shared-secret.ts";
import { composeReading, type Reading } from "../../../src/reading.ts";
import { openFilesystemStore } from "../../../src/store/filesystem-store.ts";
import { WorkerHasher } from "../../../src/store/hasher/worker-hasher.ts";
import { openHotTier } from "../../../src/store/hot-tier.ts";
import { openSpool } from "../../../src/store/spool/open-spool.ts";
import { systemClock } from "../../../src/telemetry/system-clock.ts";
import { openSource } from "../../origin/open-source.ts";
import { temporaryDirectory } from "../../store/temporary-directory.ts";
import { type RelayServer, SECRET, startRelayServer } from "../../support/relay-server.ts";

/** What a reader got: all of it, or so much of it and why no more came. */
export interface Read {
  readonly bytes: Buffer;
  readonly outcome: string | undefined;
  /** undefined: it ended normally. */
  readonly failure: string | undefined;
}

export interface Replica extends AsyncDisposable, Reading {
  /** As its leases name it. */
  readonly holder: string;
  readonly server: RelayServer;
  readonly events: CisternEvent[];
  /** Opens a blob and reads it to its end. */
  read(ref: BlobRef, options?: ReadOptions): Promise<Read>;
  /** What another replica has committed. */
  hear(change: CatalogChange): void;
  /** Resolves when nothing is being filled here. */
  idle(): Promise<void>;
}

export interface ReadOptions {
  readonly range?: string;
  readonly address?: string;
  /** Told of every piece before the next one is asked for. */
  readonly onPiece?: (bytes: number) => Promise<void> | void;
}

type OpenedSpool = Awaited<ReturnType<typeof openSpool>>;

/** What a replica has instead of the real thing: faults that the real thing has at times. */
export interface ReplicaOptions {
  readonly catalog?: (catalog: Catalog) => Catalog;
  readonly store?: (store: ContentStore) => ContentStore;
  readonly spool?: (spool: OpenedSpool) => OpenedSpool;
  readonly env?: Readonly<Record<string, string>>;
}

/** One catalog and one store, and replicas over them in this process, whose relays go over real connections. */
export interface Deployment extends AsyncDisposable {
  readonly directory: string;
  readonly catalog: Catalog;
  readonly store: ContentStore;
  start(name: string, options?: ReplicaOptions): Promise<Replica>;
}

const HOT_BYTES = 256 * 1024 * 1024;
const SPOOL_BYTES = 1024 * 1024 * 1024;
const NEVER = new AbortController().signal;

export async function startDeployment(): Promise<Deployment> {
  await using building = new AsyncDisposableStack();
  const { path: directory } = building.use(await temporaryDirectory());
  const catalog = building.use(await openCatalog({ directory: join(directory, "catalog") }));
  const store = await openFilesystemStore(join(directory, "store"));
  const hasher = building.use(new WorkerHasher());
  const source = building.use(openSource());
  const stack = building.move();
  return {
    directory,
    catalog,
    store,
    async start(name, options = {}) {
      const replica = await startReplica({ directory: join(directory, name), catalog, store, hasher, source }, options);
      stack.use(replica);
      return replica;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Shared {
  readonly directory: string;
  readonly catalog: Catalog;
  readonly store: ContentStore;
  readonly hasher: WorkerHasher;
  readonly source: Source;
}

async function startReplica(shared: Shared, options: ReplicaOptions): Promise<Replica> {
  await using building = new AsyncDisposableStack();
  const { directory, hasher, source } = shared;
  const catalog = options.catalog?.(shared.catalog) ?? shared.catalog;
  const open = new OpenObjects();
  const store = open.counting(options.store?.(shared.store) ?? shared.store);
  let host: RelayHost | undefined;
  const relay: RelayHost = { find: async (...asked) => await host?.find(...asked) };
  const server = building.use(await startRelayServer(relay));
  const holder = server.self;
  const hot = await openHotTier(join(directory, "hot"), HOT_BYTES);
  const opened = await openSpool(join(directory, "spool"), SPOOL_BYTES);
  const spool = options.spool?.(opened) ?? opened;
  const credentials = new SharedSecret(SECRET, Date.now);
  const peers = building.use(new HttpPeers(PEER_DEFAULTS, { credentials, monotonic: () => performance.now() }));
  const events: CisternEvent[] = [];
  const config = loadConfig({ CISTERN_DATA_DIR: directory, ...options.env });
  const engine = { catalog, store, hot, spool, hasher, open, holder, shared: true, deploymentId: "test", inside: [] };
  const parts = {
    engine,
    source,
    peers,
    clock: systemClock,
    heard: () => true,
    events: { emit: (event: CisternEvent) => void events.push(event) },
  };
  const reading = composeReading(config, parts, building);
  host = reading.relay;
  const stack = building.move();
  const watched = {
    ...reading,
    forgetToken: () => undefined,
    onCapacity: () => void reading.capacity.refresh(),
    onFill: () => undefined,
    onUnknown: () => void reading.tombstones.load(),
    onGone: (object: ObjectName) => void hot?.remove(object),
    onBlock: (sha256: Sha256) => void reading.blocked.look(sha256),
  };
  return {
    ...reading,
    holder,
    server,
    events,
    read: (ref, asked = {}) => read(reading, ref, asked),
    hear: (change) => applyChange(change, watched),
    idle: () => reading.fills.finished(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function read({ opener }: Reading, ref: BlobRef, options: ReadOptions): Promise<Read> {
  const chunks: Uint8Array[] = [];
  let outcome: string | undefined;
  try {
    const opened = await opener.open(requestFor(ref, options), NEVER);
    if (opened.kind !== "body") throw new Error(`${opened.kind} instead of bytes`);
    outcome = opened.outcome;
    using body = opened.body;
    for (let piece = await body.next(64 * 1024); piece !== undefined; piece = await body.next(64 * 1024)) {
      chunks.push(...piece.chunks.map((chunk) => Uint8Array.from(chunk)));
      piece.release();
      await options.onPiece?.(piece.bytes);
    }
    return { bytes: Buffer.concat(chunks), outcome, failure: undefined };
  } catch (error) {
    if (!isCisternError(error)) throw error;
    return { bytes: Buffer.concat(chunks), outcome, failure: error.code };
  }
}

function requestFor(ref: BlobRef, { range, address = "10.0.0.1" }: ReadOptions): BlobRequest {
  return {
    ref,
    type: "images",
    principal: { tokenId: "admin", project: "admin", roles: ["admin"], address },
    address,
    head: false,
    range: parseRange(range),
    conditionals: {
      ifMatch: undefined,
      ifNoneMatch: undefined,
      ifModifiedSince: undefined,
      ifUnmodifiedSince: undefined,
      ifRange: undefined,
    },
    sendsTokenOn: false,
    takesChunks: true,
  };
}
