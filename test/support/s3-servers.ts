import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type ChildProgram, startProgram, untilReady } from "./child-program.ts";
import { certificate, privateKey } from "./fault-origin/certificate.ts";
import { freePort } from "./free-port.ts";
import { findProgram, requireProgram } from "./programs.ts";

/** A real S3 server that can be stopped and started again, with its objects. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** PEM file of the authority, when the endpoint is https. */
  readonly caFile: string | undefined;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Ends the process; what it has kept stays. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

export interface S3ServerOptions {
  readonly tls?: boolean;
  readonly region?: string;
  /** Where it keeps its objects; a directory of its own otherwise. */
  readonly directory?: string;
}

const READY_MS = 60_000;
const ACCESS_KEY = "cistern-test";
const SECRET_KEY = "cistern-test-secret";

export const hasMinio = requireProgram("minio");
export const hasVersity = requireProgram("versitygw");

/** A single MinIO on a directory. */
export async function startMinio(options: S3ServerOptions = {}): Promise<S3Server> {
  return await startServer(options, async ({ directory, port, region }) => {
    const certificates = join(directory, "certs");
    await mkdir(certificates, { recursive: true });
    const caFile = join(certificates, "public.crt");
    if (options.tls === true) {
      await writeFile(caFile, certificate);
      await writeFile(join(certificates, "private.key"), privateKey);
    }
    const address = ["--address", `127.0.0.1:${port}`, "--console-address", `127.0.0.1:${await freePort()}`];
    return {
      program: "minio",
      args: ["server", "--quiet", ...address, "--certs-dir", certificates, join(directory, "data")],
      env: {
        MINIO_ROOT_USER: ACCESS_KEY,
        MINIO_ROOT_PASSWORD: SECRET_KEY,
        MINIO_SITE_REGION: region,
        MINIO_UPDATE: "off",
        MINIO_CI_CD: "1",
      },
      caFile: options.tls === true ? caFile : undefined,
    };
  });
}

/** A Versity Gateway on a directory. Its metadata lies beside the objects: not every file system has attributes. */
export async function startVersity(options: S3ServerOptions = {}): Promise<S3Server> {
  return await startServer(options, async ({ directory, port, region }) => {
    const [objects, metadata] = [join(directory, "data"), join(directory, "metadata")];
    await mkdir(objects, { recursive: true });
    await mkdir(metadata, { recursive: true });
    return {
      program: "versitygw",
      args: ["--port", `127.0.0.1:${port}`, "--region", region, "--quiet", "posix", "--sidecar", metadata, objects],
      env: { ROOT_ACCESS_KEY_ID: ACCESS_KEY, ROOT_SECRET_ACCESS_KEY: SECRET_KEY },
      caFile: undefined,
    };
  });
}

interface Place {
  readonly directory: string;
  readonly port: number;
  readonly region: string;
}

interface Recipe {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly caFile: string | undefined;
}

async function startServer(options: S3ServerOptions, prepare: (place: Place) => Promise<Recipe>): Promise<S3Server> {
  const own = options.directory === undefined ? await temporaryDirectory() : undefined;
  const region = options.region ?? "us-east-1";
  const port = await freePort();
  const recipe = await prepare({ directory: own?.path ?? options.directory ?? "", port, region });
  const command = findProgram(recipe.program);
  if (command === undefined) throw new Error(`${recipe.program} is not installed`);
  let running: ChildProgram | undefined;
  const start = async () => {
    const program = await startProgram(command, recipe.args, {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...recipe.env },
    });
    running = program;
    await untilReady(program, () => accepts(port), READY_MS);
  };
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    await running?.kill(signal);
    running = undefined;
  };
  await start();
  return {
    endpoint: `${options.tls === true ? "https" : "http"}://127.0.0.1:${port}`,
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    region,
    caFile: recipe.caFile,
    get pid() {
      if (running === undefined) throw new Error(`${recipe.program} is stopped`);
      return running.pid;
    },
    stop,
    start,
    [Symbol.asyncDispose]: async () => {
      await stop("SIGKILL");
      await own?.[Symbol.asyncDispose]();
    },
  };
}

/** Whether somebody accepts connections: an S3 client waits for the rest by itself. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  const accepted = await promise;
  socket.destroy();
  return accepted;
}
