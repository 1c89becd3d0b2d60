import type { Logger } from "pino";
import pino from "pino";
import { describeError } from "./error-record.ts";

export type { Logger };

/** Bytes of lines that wait for a reader of stdout that hangs; beyond it lines are dropped, never memory grown. */
const WAITING_BYTES = 16 * 2 ** 20;

/** Where lines go. */
export interface LineSink {
  write(line: string): void;
}

/**
 * A logger of JSON lines (`level`, `time` in ISO 8601, `msg`, and the fields of the line) to stdout,
 * written off the event loop. A field `err` becomes name, message, code and stack, with its causes.
 */
export function createLogger(level: string, sink: LineSink = standardOutput()): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    sink,
  );
}

function standardOutput(): LineSink {
  return pino.destination({ dest: 1, sync: false, maxLength: WAITING_BYTES });
}
