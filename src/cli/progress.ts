import { formatBytes } from "../config/bytes.ts";

/** Time over which the rate is averaged. */
const WINDOW_MS = 3000;
const REDRAW_MS = 100;
/** Without a terminal, a log gets a line now and then. */
export const NOTE_MS = 30_000;

/** A download as it stands. */
export interface ProgressState {
  readonly name: string;
  readonly bytes: number;
  /** undefined: the server does not know yet. */
  readonly total: number | undefined;
  /** Bytes per second. */
  readonly rate: number;
  /** Hit, follow, fill; undefined: not told. */
  readonly outcome: string | undefined;
}

/** One line no wider than the terminal: name, bar, bytes, rate, time left, outcome. */
export function renderProgress(state: ProgressState, columns: number): string {
  const { bytes, total, rate } = state;
  const whole = total === undefined ? "" : `/${formatBytes(total)}`;
  const left = total === undefined || rate <= 0 ? "--:--" : formatClock((total - bytes) / rate);
  const share = total === undefined ? undefined : total === 0 ? 1 : Math.min(1, bytes / total);
  const percent = share === undefined ? "" : ` ${String(Math.floor(share * 100)).padStart(3)}%`;
  const facts = `${percent} ${formatBytes(bytes)}${whole} ${formatBytes(Math.round(rate))}/s ${left} left ${state.outcome ?? ""}`;
  const room = columns - 1 - facts.trimEnd().length;
  const name = state.name.length > 24 ? `${state.name.slice(0, 23)}…` : state.name;
  const barRoom = room - name.length - 3;
  const bar = barRoom >= 10 ? ` [${renderBar(share, Math.min(barRoom, 40))}]` : "";
  return `${room >= name.length ? name : ""}${bar}${facts}`.trimEnd().slice(0, columns - 1);
}

function renderBar(share: number | undefined, width: number): string {
  if (share === undefined) return "?".padStart(Math.ceil(width / 2)).padEnd(width);
  const done = Math.floor(share * width);
  return done === width ? "=".repeat(width) : `${"=".repeat(done)}>`.padEnd(width);
}

function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** True once in so many milliseconds, and not before the first of them are over. */
export function every(milliseconds: number): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < milliseconds) return false;
    last = now;
    return true;
  };
}

/** Measures the rate over the last seconds, and says when a new line is due. */
export class RateMeter {
  readonly #now: () => number;
  #samples: { readonly at: number; readonly bytes: number }[] = [];
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Bytes per second at this point. */
  rate(bytes: number): number {
    const at = this.#now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    return first === undefined || at === first.at ? 0 : ((bytes - first.bytes) * 1000) / (at - first.at);
  }

  /** True at most ten times a second. */
  due(): boolean {
    const now = this.#now();
    if (now - this.#drawnAt < REDRAW_MS) return false;
    this.#drawnAt = now;
    return true;
  }
}
