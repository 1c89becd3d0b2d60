import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { appendFile, chown, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type ChildProgram, type Exit, startProgram, untilReady } from "./child-program.ts";
import { freePortToKeep } from "./free-port.ts";
import { findProgram } from "./programs.ts";

const DEADLINE_MS = 30_000;

/** A real Postgres server of a test's own, on 127.0.0.1. */
export interface TestPostgres extends AsyncDisposable {
  /** A database of it, as its superuser. */
  readonly url: string;
  readonly port: number;
  /** Holds its data, its socket, and what a test puts there. */
  readonly directory: string;
  /** As whom it runs, when that is not who runs the test. */
  readonly owner: Owner | undefined;
  /** Adds a setting; in force from the next start on. */
  configure(name: string, value: string): Promise<void>;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Ends it; at once and without any tidying with SIGKILL. */
  stop(signal?: "SIGINT" | "SIGKILL"): Promise<void>;
  /** Starts it again on the same port with the same data, unless it runs. */
  start(): Promise<void>;
  /** Stops all its processes where they are: connections stay up and nothing answers. */
  pause(): void;
  resume(): void;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Whether tests that need Postgres can run; to be used as `describe.skipIf(!requirePostgres())`. With
 * CI=true a missing Postgres throws: there nothing is skipped.
 */
export function requirePostgres(): boolean {
  const found = findPostgres("initdb") !== undefined && findPostgres("postgres") !== undefined;
  if (!found && process.env.CI === "true") throw new Error("Postgres is not installed, and with CI=true it must be");
  return found;
}

/** Makes a server's directory and starts it. It does not sync: no test cuts the power. */
export async function startPostgres(): Promise<TestPostgres> {
  const temporary = await temporaryDirectory();
  try {
    return await startIn(temporary);
  } catch (error) {
    await temporary[Symbol.asyncDispose]();
    throw error;
  }
}

async function startIn(temporary: { readonly path: string } & AsyncDisposable): Promise<TestPostgres> {
  const directory = temporary.path;
  const owner = ownerOfServers();
  const password = randomBytes(12).toString("hex");
  await makeCluster(directory, owner, password);
  const port = await freePortToKeep();
  const urlOf = (database: string) => `postgres://cistern:${password}@127.0.0.1:${port}/${database}`;
  let server = await startServer(directory, port, owner);
  let exited: Promise<Exit> | undefined;
  const stop = async (signal: "SIGINT" | "SIGKILL" = "SIGINT") => {
    const family = signal === "SIGKILL" ? familyOf(server.pid) : [server.pid];
    for (const pid of family) kill(pid, "SIGCONT");
    for (const pid of family) kill(pid, signal);
    exited = server.exited;
    await exited;
  };
  return {
    url: urlOf("postgres"),
    port,
    directory,
    owner,
    configure: (name, value) => appendFile(settingsOf(directory), `${name} = '${value}'\n`),
    async createDatabase() {
      const name = `test_${randomBytes(6).toString("hex")}`;
      const sql = postgres(urlOf("postgres"), { max: 1 });
      await sql`create database ${sql(name)}`;
      await sql.end();
      return urlOf(name);
    },
    stop,
    async start() {
      if (exited === undefined) return;
      server = await startServer(directory, port, owner);
      exited = undefined;
    },
    pause: () => {
      for (const pid of familyOf(server.pid)) kill(pid, "SIGSTOP");
    },
    resume: () => {
      for (const pid of familyOf(server.pid)) kill(pid, "SIGCONT");
    },
    async [Symbol.asyncDispose]() {
      if (exited === undefined) await stop("SIGKILL");
      await temporary[Symbol.asyncDispose]();
    },
  };
}

async function makeCluster(directory: string, owner: Owner | undefined, password: string): Promise<void> {
  const passwordFile = join(directory, "password");
  await writeFile(passwordFile, password);
  if (owner !== undefined) {
    for (const path of [directory, passwordFile]) await chown(path, owner.uid, owner.gid);
  }
  const made = await startProgram(
    programOf("initdb"),
    [
      ["--pgdata", dataOf(directory)],
      ["--username", "cistern", "--pwfile", passwordFile, "--auth", "scram-sha-256"],
      ["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"],
    ].flat(),
    { env: { PATH: process.env.PATH }, cwd: directory, ...asUser(owner) },
  );
  const { code } = await made.exited;
  if (code !== 0) throw new Error(`initdb failed:\n${made.output()}`);
  const settings = [
    "fsync = off",
    "full_page_writes = off",
    "shared_buffers = 16MB",
    "max_connections = 60",
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${directory}'`,
  ];
  await writeFile(settingsOf(directory), `${settings.join("\n")}\n`);
}

async function startServer(directory: string, port: number, owner: Owner | undefined): Promise<ChildProgram> {
  const server = await startProgram(programOf("postgres"), ["-D", dataOf(directory), "-p", String(port)], {
    env: { PATH: process.env.PATH },
    cwd: directory,
    ...asUser(owner),
  });
  await untilReady(server, () => listens(port, server), DEADLINE_MS);
  return server;
}

function dataOf(directory: string): string {
  return join(directory, "data");
}

function settingsOf(directory: string): string {
  return join(dataOf(directory), "postgresql.conf");
}

/** It says so when it takes connections, and not before its recovery is over. */
async function listens(port: number, server: ChildProgram): Promise<boolean> {
  if (!server.output().includes("ready to accept connections")) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1");
  socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  const answer = await promise;
  socket.destroy();
  return answer;
}

/** Postgres does not run as root: then as the user that its package makes, else as nobody. */
function ownerOfServers(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entries = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const entry = entries.find(([name]) => name === "postgres") ?? entries.find(([name]) => name === "nobody");
  if (entry === undefined) throw new Error("there is no user that Postgres could run as");
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

function asUser(owner: Owner | undefined): { readonly user?: Owner } {
  return owner === undefined ? {} : { user: owner };
}

function programOf(name: string): string {
  const program = findPostgres(name);
  if (program === undefined) throw new Error(`${name} is not installed`);
  return program;
}

function findPostgres(name: string): string | undefined {
  return findProgram(name, versionDirectories());
}

/** Debian keeps each version in a directory of its own, and none of them in the PATH. The newest first. */
function versionDirectories(): readonly string[] {
  const root = "/usr/lib/postgresql";
  try {
    const versions = readdirSync(root).toSorted((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, "bin"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** A server's first process and its children: each of them leads a process group of its own. */
function familyOf(pid: number): readonly number[] {
  const children = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
  return [pid, ...children];
}

function parentOf(pid: number): number | undefined {
  try {
    // The name, in parentheses, may hold anything.
    const [, parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return Number(parent);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) {
      return undefined;
    }
    throw error;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // A child may have ended of its own accord.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
