import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { loadClusterPlace, loadPlace } from "../../src/config/place.ts";
import type { FieldProblem } from "../../src/domain/errors.ts";
import { isCisternError } from "../../src/domain/errors.ts";

const CLUSTER = {
  DATABASE_URL: "postgres://cistern:hunter2@db.example:5432/cistern",
  CISTERN_S3_ENDPOINT: "http://s3.example:9000",
  CISTERN_S3_BUCKET: "artifacts",
  CISTERN_S3_ACCESS_KEY: "access",
  CISTERN_S3_SECRET_KEY: "sesame-open",
};

function problemsOf(load: () => unknown): readonly FieldProblem[] {
  try {
    load();
  } catch (error) {
    if (isCisternError(error, "invalid-config")) return error.fields;
    throw error;
  }
  throw new Error("it loaded");
}

describe("where catalog and content are", () => {
  test("a cluster's place needs nothing that only a replica needs", () => {
    const place = loadClusterPlace({ ...CLUSTER, CISTERN_DATA_DIR: "there" });
    expect(place).toMatchObject({
      dataDir: resolve("there"),
      database: { url: CLUSTER.DATABASE_URL },
      s3: { endpoint: "http://s3.example:9000", bucket: "artifacts", region: "us-east-1", pathStyle: true },
    });
    expect(loadPlace({ ...CLUSTER, CISTERN_LISTEN: "what a server would refuse" })).toMatchObject({ kind: "cluster" });
  });

  test("what is missing is told all at once, by what it is for", () => {
    const problems = problemsOf(() => loadClusterPlace({ CISTERN_S3_BUCKET: "X" }));
    expect(problems.map(({ field }) => field).sort()).toEqual(Object.keys(CLUSTER).sort());
    const [missing] = problems.filter(({ field }) => field === "DATABASE_URL");
    expect(missing?.rule).toContain("where the cluster's catalog and content are");
    expect(problems.find(({ field }) => field === "CISTERN_S3_BUCKET")?.rule).toContain("must be the name of a bucket");
  });

  test("without any of the switches it is a directory; with one of them all must be set", () => {
    expect(loadPlace({})).toEqual({ kind: "embedded", dataDir: resolve("./data") });
    expect(loadPlace({ CISTERN_DATA_DIR: "/srv/x" })).toEqual({ kind: "embedded", dataDir: "/srv/x" });
    expect(problemsOf(() => loadPlace({ DATABASE_URL: CLUSTER.DATABASE_URL }))).toHaveLength(4);
  });

  test("a mistyped variable is a mistake here as well", () => {
    expect(problemsOf(() => loadPlace({ CISTERN_DATADIR: "x" }))).toMatchObject([{ field: "CISTERN_DATADIR" }]);
    expect(problemsOf(() => loadClusterPlace({ ...CLUSTER, CISTERN_S3_BUKET: "x" }))).toHaveLength(1);
  });
});
