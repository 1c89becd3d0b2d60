import { describe, expect, test } from "vitest";
import { CisternError, type ErrorCode, type ErrorDetails } from "../../src/domain/errors.ts";
import { isFault } from "../../src/http/problem.ts";
import { type Face, problemResponse, renderProblem } from "../../src/http/render-problem.ts";

const rendered = (code: ErrorCode, details: ErrorDetails = {}, face: Face = "openstack") => {
  const { status, headers, body } = renderProblem(new CisternError(code, "what went wrong", details), face);
  return { status, headers, body: JSON.parse(body) };
};

describe("an error's status", () => {
  test.each<[ErrorCode, number]>([
    ["invalid-input", 400],
    ["unknown-field", 422],
    ["unauthenticated", 401],
    ["forbidden", 403],
    ["address-not-allowed", 403],
    ["host-not-allowed", 403],
    ["artifact-not-found", 404],
    ["blob-not-found", 404],
    ["token-not-found", 404],
    ["type-not-found", 404],
    ["path-not-found", 404],
    ["method-not-allowed", 405],
    ["request-timeout", 408],
    ["conflict", 409],
    ["precondition-failed", 412],
    ["payload-too-large", 413],
    ["unsupported-media-type", 415],
    ["range-not-satisfiable", 416],
    ["origin-unreachable", 502],
    ["origin-refused", 502],
    ["origin-failed", 502],
    ["origin-broken", 502],
    ["origin-encoded", 502],
    ["origin-unframed", 502],
    ["digest-mismatch", 502],
    ["size-mismatch", 502],
    ["content-changed", 502],
    ["origin-timeout", 504],
    ["origin-backing-off", 503],
    ["too-busy", 503],
    ["fill-cancelled", 503],
    ["catalog-unavailable", 503],
    ["store-unavailable", 503],
    ["shutting-down", 503],
    ["spool-full", 507],
    ["origin-loop", 508],
    ["internal", 500],
  ])("%s is %i", (code, status) => {
    const { body, headers } = rendered(code);
    expect(rendered(code).status).toBe(status);
    expect(body).toMatchObject({ code: status, error: { code } });
    // A 503 always says when to come back.
    expect(headers["Retry-After"] !== undefined).toBe(status === 503);
  });
});

describe("an error's shape", () => {
  const fields = [{ field: "location.url", rule: "must be an absolute URL" }];

  test("is OpenStack's on the compatible APIs", () => {
    const { body, headers } = rendered("artifact-not-found", { fields });
    expect(headers["Content-Type"]).toBe("application/json");
    expect(body).toEqual({
      code: 404,
      title: "Not Found",
      explanation: "what went wrong",
      error: { message: "what went wrong", type: "ArtifactNotFound", code: "artifact-not-found" },
      errors: fields,
    });
  });

  test("is RFC 9457's on our own", () => {
    const { body, headers } = rendered("invalid-input", { fields }, "problem-json");
    expect(headers["Content-Type"]).toBe("application/problem+json");
    expect(body).toEqual({
      type: "about:blank",
      title: "Bad Request",
      status: 400,
      detail: "what went wrong",
      code: "invalid-input",
      errors: fields,
    });
  });

  test("names the origin's host and status", () => {
    const details = { origin: "mirror.example:8443", originStatus: 404 };
    expect(rendered("origin-refused", details).body).toMatchObject({
      origin: "mirror.example:8443",
      origin_status: 404,
    });
  });

  test("says when to come back, in whole seconds, and how large the content is", () => {
    expect(rendered("origin-backing-off", { retryAfter: 12.3 }).headers["Retry-After"]).toBe("13");
    expect(rendered("origin-failed", { retryAfter: 60 }).headers["Retry-After"]).toBe("60");
    expect(rendered("range-not-satisfiable", { size: 10 }).headers["Content-Range"]).toBe("bytes */10");
    expect(rendered("unauthenticated").headers["WWW-Authenticate"]).toBe('Basic realm="cistern", charset="UTF-8"');
  });

  test("says nothing of the inside", () => {
    const secrets = ["/var/lib/secret-path", "password=hunter2", "SELECT"];
    const cause = new Error(secrets.join(" "));
    const errors = [
      cause,
      new CisternError("internal", secrets.join(" "), { cause }),
      new CisternError("catalog-unavailable", "the catalog is away", { cause }),
      secrets.join(" "),
      { toString: () => secrets.join(" ") },
      undefined,
    ];
    for (const error of errors) {
      for (const face of ["openstack", "problem-json"] as const) {
        const { body, headers } = renderProblem(error, face);
        for (const secret of secrets) expect(body + JSON.stringify(headers)).not.toContain(secret);
        expect(isFault(error)).toBe(true);
      }
    }
  });

  test("has the length that it says", async () => {
    const response = problemResponse(new CisternError("conflict", "größer als ☃"), "openstack");
    const bytes = await response.bytes();
    expect(response.headers.get("content-length")).toBe(String(bytes.length));
  });
});

describe("a fault of our own", () => {
  test("is told from what callers and origins cause", () => {
    const faults: ErrorCode[] = ["internal", "catalog-unavailable", "store-unavailable", "spool-full"];
    for (const code of faults) expect(isFault(new CisternError(code, "x"))).toBe(true);
    for (const code of ["invalid-input", "origin-timeout", "digest-mismatch", "too-busy"] as const) {
      expect(isFault(new CisternError(code, "x"))).toBe(false);
    }
  });
});
