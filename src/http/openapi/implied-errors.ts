import type { ErrorCode } from "../../domain/errors.ts";
import type { Operation } from "../operation.ts";

/** What any request may meet: too many of them, and parts of the server that are away. */
const ANY: readonly ErrorCode[] = [
  "too-many-connections",
  "too-many-requests",
  "internal",
  "catalog-unavailable",
  "store-unavailable",
  "too-busy",
  "shutting-down",
];
const BODY: readonly ErrorCode[] = [
  "unknown-field",
  "unsupported-media-type",
  "payload-too-large",
  "request-timeout",
  "invalid-input",
];

/** Every code that an operation may answer: what its parts imply, and what it names itself. */
export function errorCodes(operation: Operation): ReadonlySet<ErrorCode> {
  const { roles, body, ifMatch, creates, notFound, errors = [] } = operation;
  return new Set<ErrorCode>([
    ...ANY,
    "invalid-input",
    ...(roles === "anyone" ? [] : (["unauthenticated", "forbidden"] as const)),
    ...(body === undefined ? [] : BODY),
    ...(ifMatch === undefined ? [] : (["precondition-failed"] as const)),
    ...(ifMatch === "required" ? (["precondition-required"] as const) : []),
    ...(creates === true ? (["idempotency-conflict", "conflict"] as const) : []),
    ...(notFound === undefined ? [] : [notFound]),
    ...errors,
  ]);
}
