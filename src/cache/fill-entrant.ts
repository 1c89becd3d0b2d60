import { CisternError } from "../domain/errors.ts";
import { originOf } from "../domain/location.ts";
import type { Fill } from "./fill.ts";
import type { Entrant } from "./fill-admission.ts";

/** A fill as admission sees it. It counts for the origin that it asks first. */
export function entrantOf(fill: Fill): Entrant {
  const { project, sources } = fill.plan;
  const [first] = sources;
  return {
    project,
    origin: first === undefined ? undefined : originOf(first.url),
    get demanded() {
      return fill.demanded;
    },
    get idle() {
      return !fill.demanded && fill.readers.size === 0 && fill.verdict === undefined;
    },
    putOff: () => fill.abort.abort(new CisternError("too-busy", "put off: somebody reads something else", PAUSE)),
  };
}

const PAUSE = { retryAfter: 5 };
