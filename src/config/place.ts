import { resolve } from "node:path";
import { type ClusterConfig, invalidConfig, isGiven, placeOf, problemsOf } from "./config.ts";
import type { Environment, RawEnvironment } from "./env.ts";
import { readEnvironment } from "./env.ts";
import { placeSettings } from "./settings.ts";
import { CLUSTER_SWITCHES } from "./variables.ts";

/** Where a cluster's records and bytes are. */
export type ClusterPlace = Pick<ClusterConfig, "database" | "s3">;

/** Where catalog and content are, for commands that tend to both: what only a server needs may be missing. */
export type Place =
  | { readonly kind: "embedded"; readonly dataDir: string }
  | ({ readonly kind: "cluster"; readonly dataDir: string } & ClusterPlace);

/** As `loadConfig`, with the same switches of cluster mode. `invalid-config` with every broken rule at once. */
export function loadPlace(environment: Environment): Place {
  const raw = readEnvironment(environment);
  const embedded = !CLUSTER_SWITCHES.some((name) => isGiven(raw, name));
  return embedded ? { kind: "embedded", dataDir: dataDirOf(raw) } : clusterPlace(raw);
}

/** A cluster's place, which must be set. */
export function loadClusterPlace(environment: Environment): ClusterPlace & { readonly dataDir: string } {
  return clusterPlace(readEnvironment(environment));
}

function clusterPlace(raw: RawEnvironment): Extract<Place, { kind: "cluster" }> {
  const texts = Object.fromEntries([...raw.settings].map(([name, { value }]) => [name, value]));
  const parsed = placeSettings.safeParse(texts);
  const missing = (field: string) => CLUSTER_SWITCHES.some((name) => name === field && !isGiven(raw, name));
  const problems = problemsOf(raw, parsed.error?.issues).map(({ field, rule }) => ({
    field,
    rule: missing(field) ? "must be set: it says where the cluster's catalog and content are" : rule,
  }));
  if (!parsed.success || problems.length > 0) throw invalidConfig(problems);
  return { kind: "cluster", dataDir: resolve(parsed.data.CISTERN_DATA_DIR), ...placeOf(parsed.data) };
}

function dataDirOf(raw: RawEnvironment): string {
  if (raw.problems.length > 0) throw invalidConfig(raw.problems);
  return resolve(raw.settings.get("CISTERN_DATA_DIR")?.value ?? "./data");
}
