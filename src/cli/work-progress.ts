import { formatBytes } from "../config/bytes.ts";
import { every, NOTE_MS, RateMeter, renderProgress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Long work on many contents: a bar on a terminal, else lines; as JSON, one object per line. */
export class WorkProgress {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #meter = new RateMeter(() => performance.now());
  readonly #noteIsDue = every(NOTE_MS);
  #bytes = 0;

  /** What is being done, for the bar. */
  name = "";
  /** Bytes of all of it, when they are known. */
  total: number | undefined;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
    this.draw();
  }

  draw(): void {
    const { columns } = this.#terminal;
    if (columns !== undefined) {
      if (this.#meter.due()) this.#terminal.redraw(renderProgress({ ...this.#state(), outcome: undefined }, columns));
    } else if (!this.#json && this.#noteIsDue()) {
      const { bytes, total, rate } = this.#state();
      const whole = total === undefined ? "" : ` of ${formatBytes(total)}`;
      this.#terminal.note(`${this.name}: ${formatBytes(bytes)}${whole}, ${formatBytes(Math.round(rate))}/s`);
    }
  }

  /** What a program is to know. */
  event(event: Readonly<Record<string, unknown>>): void {
    if (this.#json) this.#terminal.print(JSON.stringify(event));
  }

  /** What a person is to know. */
  note(text: string): void {
    this.clear();
    if (!this.#json) this.#terminal.note(text);
  }

  clear(): void {
    this.#terminal.redraw("");
  }

  #state() {
    return { name: this.name, bytes: this.#bytes, total: this.total, rate: this.#meter.rate(this.#bytes) };
  }
}
