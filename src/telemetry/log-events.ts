import type { ErrorCode } from "../domain/errors.ts";
import type { CisternEvent, Events } from "../domain/events.ts";
import { maskUrls } from "../domain/mask-urls.ts";
import type { Logger } from "./logger.ts";

type Level = "debug" | "info" | "warn" | "error";

/** What an operator must mend here; everything else that fails a fill is the origin's or the record's. */
const OURS: readonly ErrorCode[] = ["internal", "catalog-unavailable", "store-unavailable", "spool-full"];

/** Writes one line per event; `event` names it. The `cause` of an event goes out as `err`. */
export function logEvents(logger: Logger): Events {
  return {
    emit(event) {
      const level = levelOf(event);
      if (!logger.isLevelEnabled(level)) return;
      const { kind, ...rest } = event;
      const fields: Record<string, unknown> = { event: kind, ...rest };
      if ("url" in rest) fields.url = maskUrls(rest.url);
      if ("cause" in rest) {
        delete fields.cause;
        if (rest.cause !== undefined) fields.err = rest.cause;
      }
      logger[level](fields, messageOf(event));
    },
  };
}

function levelOf(event: CisternEvent): Level {
  switch (event.kind) {
    case "fill-started":
    case "fill-relayed":
    case "fill-passed":
    case "content-admitted":
    case "content-removed":
    case "policy-in-force":
    case "content-healed":
    case "tls-reloaded":
      return "info";
    case "blob-served":
      if (event.status >= 500) return "warn";
      // A line for each hot hit would cost more than the hit.
      return event.outcome === "hit" && event.complete ? "debug" : "info";
    case "fill-source-failed":
    case "content-changed":
    case "content-irreplaceable":
    case "reader-cut":
      return "warn";
    case "fill-failed":
      if (event.code === "fill-cancelled" || event.code === "shutting-down") return "info";
      return OURS.includes(event.code) ? "error" : "warn";
    case "content-damaged":
    case "content-not-healed":
    case "degraded":
    case "job-failed":
    case "audit-unwritten":
    case "audit-dropped":
    case "tls-reload-failed":
    case "request-failed":
      return "error";
  }
}

function messageOf(event: CisternEvent): string {
  switch (event.kind) {
    case "fill-started":
      return event.resumedAt > 0 ? "fill resumed" : "fill started";
    case "fill-relayed":
      return "fill reads along with another replica's";
    case "fill-source-failed":
      return "a source of the fill failed";
    case "fill-passed":
      return event.kept ? "fill verified" : "fill verified, not kept";
    case "fill-failed":
      return "fill failed";
    case "content-changed":
      return "the origin's bytes differ from the record";
    case "content-admitted":
      return "content admitted";
    case "content-removed":
      return "content removed";
    case "content-damaged":
      return "stored bytes are not what was admitted: they are served no more";
    case "content-irreplaceable":
      return event.irreplaceable
        ? "no location delivers the content any more: it is kept"
        : "the content can be fetched again";
    case "content-healed":
      return "damaged content is whole again";
    case "content-not-healed":
      return event.internal ? "the bytes of internal content are lost" : "damaged content cannot be fetched anew now";
    case "blob-served":
      return event.complete ? "blob served" : "blob served in part";
    case "reader-cut":
      return "reader cut";
    case "degraded":
      return `${event.part} is failing`;
    case "policy-in-force":
      return "another policy is in force";
    case "tls-reloaded":
      return "new TLS certificate in use";
    case "tls-reload-failed":
      return "the TLS certificate on disk is not usable: the one before stays in use";
    case "audit-unwritten":
      return "an entry of the audit could not be written";
    case "audit-dropped":
      return "entries of the audit were lost: the catalog was away for too long";
    case "job-failed":
      return "background job failed";
    case "request-failed":
      return "a request failed for a fault of our own";
  }
}
