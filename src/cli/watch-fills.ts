import { setTimeout as delay } from "node:timers/promises";
import { EXIT, Failure, isUnreachable } from "./failure.ts";
import { FILL_VIEW, type FillView, fillPath, hasEnded, nameOfFill, progressOfFill } from "./fill-view.ts";
import { every, NOTE_MS, renderProgress } from "./progress.ts";
import type { Session } from "./session.ts";

const LOOK_MS = 1_000;

/** Follows a fetch until it has ended, with a bar on a terminal; as JSON, one object per change. */
export async function watchFill(session: Session, id: string): Promise<FillView> {
  const { client, terminal, signal } = session;
  let told = "";
  const due = every(NOTE_MS);
  try {
    for (;;) {
      const fill = await client.call({ method: "GET", path: fillPath(id) }, FILL_VIEW, signal);
      const { columns } = terminal;
      if (columns !== undefined && !hasEnded(fill)) terminal.redraw(lineOf(fill, columns));
      told = tell(session, fill, told);
      if (columns === undefined && !session.json && !hasEnded(fill) && due())
        terminal.note(`${nameOfFill(fill)}: ${fill.state}, ${progressOfFill(fill)}`);
      if (hasEnded(fill)) return fill;
      await delay(LOOK_MS, undefined, { signal });
    }
  } catch (cause) {
    if (isUnreachable(cause)) terminal.note(`it goes on when the server does: cistern fill watch ${id}`);
    if (!signal.aborted) throw cause;
    const hint = `it goes on at the server: cistern fill watch ${id}, or cistern fill cancel ${id}`;
    throw new Failure("interrupted", { exit: EXIT.interrupted, code: "interrupted", hint, cause });
  } finally {
    terminal.redraw("");
  }
}

/** What a program is told at each change, and a log where there is no terminal. */
function tell(session: Session, fill: FillView, before: string): string {
  const now = session.json
    ? JSON.stringify(fill)
    : `${fill.state}${fill.error == null ? "" : `: ${fill.error.code}: ${fill.error.message}`}`;
  if (now === before) return before;
  if (session.json) session.terminal.print(now);
  else if (session.terminal.columns === undefined && !hasEnded(fill))
    session.terminal.note(`${nameOfFill(fill)}: ${now}`);
  return now;
}

function lineOf(fill: FillView, columns: number): string {
  const { bytes, total, rate, parts, state, error } = fill;
  const name = nameOfFill(fill);
  if (parts != null || state === "queued") {
    const why = error == null ? "" : ` (${error.code})`;
    const far = parts == null ? "" : `, ${progressOfFill(fill)}`;
    return `${name}: ${state}${why}${far}`.slice(0, columns - 1);
  }
  return renderProgress({ name, bytes, total: total ?? undefined, rate, outcome: state }, columns);
}

/** What has become of it, in one line; throws when that is no success. */
export function reportEnd(session: Session, fill: FillView): void {
  if (fill.state === "done" && (fill.parts?.failed ?? 0) === 0) {
    if (!session.json) session.terminal.note(`${nameOfFill(fill)}: done, ${progressOfFill(fill)}`);
    return;
  }
  const { error } = fill;
  const code = error?.code ?? (fill.state === "cancelled" ? "fill-cancelled" : "fill-failed");
  const failed = fill.parts?.failed ?? 0;
  const what = failed > 0 ? `${failed} of its fetches failed` : (error?.message ?? fill.state);
  const hint = failed > 0 ? `cistern fill ls --parent ${fill.id} --state failed` : `cistern fill show ${fill.id}`;
  const exit = code === "digest-mismatch" || code === "size-mismatch" ? EXIT.mismatch : EXIT.failed;
  throw new Failure(`${nameOfFill(fill)}: ${what}`, { exit, code, hint });
}
