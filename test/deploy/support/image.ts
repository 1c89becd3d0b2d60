import { execFile } from "node:child_process";
import { chown, cp, mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ChildProgram, startProgram } from "../../support/child-program.ts";
import {
  type Copy,
  type Instruction,
  parseCopy,
  parseDockerfile,
  parseEnv,
  parseExec,
  reachesBuilder,
} from "./dockerfile.ts";
import { CLONE } from "./validators.ts";

const run = promisify(execFile);
const ENTER = fileURLToPath(new URL("./enter-image.sh", import.meta.url));

/** What a Dockerfile makes, without an engine: the tree that its COPY and RUN produce, and its settings. */
export interface Image {
  /** The root directory, without what the base image holds. */
  readonly root: string;
  readonly user: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
}

/**
 * Follows the Dockerfile, instruction by instruction: COPY takes from the clone what .dockerignore
 * lets through, RUN runs in a mount namespace whose root is the stage. The base image is this
 * machine's own /usr and this process's Node. Needs root.
 */
export async function buildImage(dockerfile: string, into: string): Promise<Image> {
  const stages = parseDockerfile(await readFile(join(CLONE, dockerfile), "utf8"));
  const dockerignore = await readFile(join(CLONE, ".dockerignore"), "utf8");
  const roots = new Map<string | undefined, string>();
  let image: Image | undefined;
  for (const [index, stage] of stages.entries()) {
    const root = join(into, String(index));
    await mkdir(root);
    roots.set(stage.name, root);
    image = { root, user: "0:0", workdir: "/", env: {}, entrypoint: [], healthcheck: [] };
    for (const instruction of stage.instructions) image = await follow(image, instruction, roots, dockerignore);
  }
  if (image === undefined) throw new Error(`${dockerfile} has no stage`);
  return image;
}

async function follow(
  image: Image,
  { keyword, text }: Instruction,
  roots: ReadonlyMap<string | undefined, string>,
  dockerignore: string,
): Promise<Image> {
  switch (keyword) {
    case "WORKDIR":
      await mkdir(join(image.root, text), { recursive: true });
      return { ...image, workdir: text };
    case "COPY":
      await copy(parseCopy(text), image, roots, dockerignore);
      return image;
    case "RUN":
      await runInside(image, text);
      return image;
    case "ENV":
      return { ...image, env: { ...image.env, ...parseEnv(text) } };
    case "USER":
      return { ...image, user: text };
    case "ENTRYPOINT":
    case "CMD":
      return { ...image, entrypoint: [...image.entrypoint, ...parseExec(text)] };
    case "HEALTHCHECK":
      return { ...image, healthcheck: parseExec(text) };
    case "EXPOSE":
    case "LABEL":
    case "STOPSIGNAL":
    case "VOLUME":
      return image;
    default:
      throw new Error(`${keyword} is not known here`);
  }
}

async function copy(
  { from, owner, sources, target }: Copy,
  image: Image,
  roots: ReadonlyMap<string | undefined, string>,
  dockerignore: string,
): Promise<void> {
  const source = from === undefined ? CLONE : roots.get(from);
  if (source === undefined) throw new Error(`COPY from ${from}, which is no stage`);
  for (const path of sources) {
    const place = join(image.root, posix.resolve(image.workdir, target));
    const to = sources.length > 1 || target.endsWith("/") ? join(place, basename(path)) : place;
    const reaches = (file: string) => from !== undefined || reachesBuilder(relative(CLONE, file), dockerignore);
    if (!reaches(join(source, path))) throw new Error(`.dockerignore keeps ${path} back`);
    await cp(join(source, path), to, { recursive: true, verbatimSymlinks: true, filter: reaches });
    if (owner !== undefined) await chown(to, owner, owner);
  }
}

/** A cache mount is npm's own cache on this machine: what `npm ci` fetched for the clone is not fetched again. */
async function runInside(image: Image, text: string): Promise<void> {
  const command = text.replaceAll(/--mount=type=cache,\S+ +/g, "");
  const { stdout } = await run("npm", ["config", "get", "cache"]);
  const args = [...inside(image, { writable: true }), "sh", "-c", command];
  await run("unshare", args, {
    env: { ...process.env, ...environment(image), CISTERN_NPM_CACHE: stdout.trim(), npm_config_prefer_offline: "true" },
    timeout: 300_000,
  });
}

/**
 * Runs the image's entry point as process 1 of a PID namespace, as its user, without a capability,
 * on a root that is read-only but for /data and /tmp.
 */
export async function runImage(
  image: Image,
  data: string,
  env: Readonly<Record<string, string>>,
): Promise<ChildProgram> {
  const [user = "", group = ""] = image.user.split(":");
  const drop = [
    "--reuid",
    user,
    "--regid",
    group,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
  ];
  const args = ["--pid", "--fork", "--kill-child", ...inside(image, { data }), "setpriv", ...drop, ...image.entrypoint];
  return await startProgram("unshare", args, { env: { ...environment(image), ...env } });
}

function inside(image: Image, options: { readonly writable?: true; readonly data?: string }): readonly string[] {
  const access = options.writable === true ? "rw" : "ro";
  const node = dirname(process.execPath);
  return [
    "--mount",
    "--propagation",
    "private",
    "sh",
    ENTER,
    image.root,
    access,
    node,
    options.data ?? "",
    image.workdir,
  ];
}

function environment(image: Image): NodeJS.ProcessEnv {
  return { PATH: "/opt/node:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ...image.env };
}
