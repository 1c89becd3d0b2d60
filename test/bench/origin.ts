import { type ChildProgram, startProgram } from "../support/child-program.ts";
import { LOAD } from "./load-program.ts";

/** How the origin serves one path. */
export interface OriginRule {
  /** Bytes per second on each connection. */
  readonly rate?: number;
  /** Bytes per second on all connections of this path together. */
  readonly totalRate?: number;
  /** Nothing is answered until released. */
  readonly hold?: boolean;
  /** The n-th request is reset when the transfer has reached the n-th offset. */
  readonly resetAt?: readonly number[];
}

export interface OriginStats {
  readonly requests: number;
  /** Body bytes that went out. */
  readonly bytes: number;
  readonly ranges: number;
  /** Nanoseconds of the wall clock; 0: never. */
  readonly firstByteAt: number;
  readonly lastByteAt: number;
}

/** The origin that every contender reads from: seeded content at /blob/<seed>/<size>. */
export class BenchOrigin implements AsyncDisposable {
  readonly url: string;
  readonly #program: ChildProgram;

  private constructor(url: string, program: ChildProgram) {
    this.url = url;
    this.#program = program;
  }

  static async start(): Promise<BenchOrigin> {
    const program = await startProgram(LOAD, ["origin", JSON.stringify({ listen: "127.0.0.1:0" })]);
    const { url } = JSON.parse(await program.firstLine());
    return new BenchOrigin(url, program);
  }

  /** Replaces the path's rule and forgets its figures. */
  async setRule(path: string, rule: OriginRule): Promise<void> {
    await this.#control("PUT", "rule", JSON.stringify({ path, ...rule }));
  }

  async stats(path: string): Promise<OriginStats> {
    const answer = await this.#control("GET", `stats?path=${encodeURIComponent(path)}`);
    return JSON.parse(answer);
  }

  async #control(method: string, what: string, body?: string): Promise<string> {
    const response = await fetch(`${this.url}/control/${what}`, { method, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`origin: ${method} ${what}: ${response.status} ${text}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}
