import { type App, startApp } from "./app.ts";
import { type Config, loadConfig } from "./config/config.ts";
import type { Environment } from "./config/env.ts";
import { CLIENT_URL } from "./config/variables.ts";
import { isCisternError } from "./domain/errors.ts";

/** EX_UNAVAILABLE of sysexits: the service manager starts it again. */
const LOST = 69;

/**
 * Runs Cistern until it is told to stop (SIGTERM, SIGINT). Answers the exit code: 0 after a stop
 * that was asked for, 69 when the catalog is lost and a new start is needed, 78 (EX_CONFIG of sysexits) when it cannot start as configured.
 */
export async function run(environment: Environment): Promise<number> {
  const stop = stopSignal();
  let config: Config;
  try {
    config = loadConfig(environment);
    const app = await startApp(config);
    process.stderr.write(greeting(app, config));
    process.on("SIGHUP", () => void app.reload());
    const lost = new Promise<number>((resolve) => app.lost.addEventListener("abort", () => resolve(LOST)));
    const code = await Promise.race([stop.then(() => 0), lost]);
    await app[Symbol.asyncDispose]();
    return code;
  } catch (error) {
    if (!isCisternError(error)) throw error;
    process.stderr.write(`cistern: ${error.message}\n`);
    return 78;
  }
}

/** Resolves at the first signal; the second one ends the process at once, as the system would. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

function greeting(app: App, config: Config): string {
  const { tokenFile } = app;
  const url = config.http.publicUrl ?? app.url.replace(/\/\/(?:0\.0\.0\.0|\[::\])(?=:|$)/, "//127.0.0.1");
  const shown = app.freshToken !== undefined && process.stderr.isTTY ? `Admin token  ${app.freshToken}\n` : "";
  const where = tokenFile === undefined ? "as configured (CISTERN_ADMIN_TOKEN)" : `in ${tokenFile} (mode 0600)`;
  const token = tokenFile === undefined ? "$CISTERN_ADMIN_TOKEN" : `$(cat ${tokenFile})`;
  const admin = app.adminUrl === undefined ? "" : `Operators' part     ${app.adminUrl}\n`;
  const cluster =
    config.kind === "cluster" ? `Replica of a cluster, known to the others as ${config.replica.url}\n` : "";
  const found = url === CLIENT_URL && tokenFile !== undefined;
  const reach = found ? "" : `  export CISTERN_URL=${url} CISTERN_TOKEN="${token}"\n`;
  return `
Cistern listens on  ${app.url}
${admin}${cluster}Data directory      ${config.dataDir}
Admin token         ${where}
${shown}
Try it, in another terminal:
  curl -H "Authorization: Bearer ${token}" ${url}/artifacts/images
${reach}  npx cistern add URL --name my-image     # register an image by its URL
  npx cistern get my-image                # fetch it: the first time from its origin, then from the cache

`;
}

if (import.meta.main) process.exitCode = await run(process.env);
