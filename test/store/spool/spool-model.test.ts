import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Spool, SpoolFile } from "../../../src/domain/spool.ts";
import { openSpool } from "../../../src/store/spool/open-spool.ts";
import { digest, headerOf } from "../../conformance/spool.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

/** Any offset has a byte of its own, so that a piece in the wrong place is seen. */
function bytesAt(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) bytes[index] = ((offset + index) * 2_654_435_761) >>> 24;
  return bytes;
}

const LIMIT = 1e9;

interface Model {
  appended: number;
  headed: boolean;
  /** Offset of the furthest checkpoint. */
  checkpoint: number;
}

class Real {
  readonly directory: string;
  spool: Spool;
  file: SpoolFile;
  readonly hash = createHash("sha256");

  constructor(directory: string, spool: Spool, file: SpoolFile) {
    this.directory = directory;
    this.spool = spool;
    this.file = file;
  }
}

type Step = fc.AsyncCommand<Model, Real>;

class Append implements Step {
  readonly length: number;
  constructor(length: number) {
    this.length = length;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const wait = real.file.append(bytesAt(model.appended, this.length));
    model.appended += this.length;
    expect(real.file.written).toBeLessThanOrEqual(model.appended);
    if (wait !== undefined) await wait;
  }
  toString(): string {
    return `append(${this.length})`;
  }
}

class Read implements Step {
  readonly at: number;
  readonly length: number;
  constructor(at: number, length: number) {
    this.at = at;
    this.length = length;
  }
  check(): boolean {
    return true;
  }
  async run(_: Model, real: Real): Promise<void> {
    const { written } = real.file;
    const offset = Math.floor(this.at * written);
    const into = Buffer.alloc(this.length);
    const read = await real.file.read(into, offset);
    expect(read).toBeGreaterThanOrEqual(Math.min(this.length, written - offset));
    expect(into.subarray(0, read).equals(bytesAt(offset, read))).toBe(true);
  }
  toString(): string {
    return `read(${this.at}, ${this.length})`;
  }
}

class Seal implements Step {
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    await real.file.seal();
    expect(real.file.written).toBe(model.appended);
    // No more than that either: the store takes the file as it is.
    expect((await stat(real.file.path)).size).toBe(model.appended);
  }
  toString(): string {
    return "seal";
  }
}

class Begin implements Step {
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    await real.spool.begin(real.file, headerOf("key"));
    model.headed = true;
  }
  toString(): string {
    return "begin";
  }
}

class Checkpoint implements Step {
  check(model: Model): boolean {
    return model.appended > 0;
  }
  async run(model: Model, real: Real): Promise<void> {
    const offset = model.appended;
    await real.spool.checkpoint(real.file, offset, digest(bytesAt(0, offset)));
    expect(real.file.written).toBeGreaterThanOrEqual(offset);
    if (model.headed) model.checkpoint = offset;
  }
  toString(): string {
    return "checkpoint";
  }
}

/** The process ends, gently or not, and another one begins. */
class Restart implements Step {
  readonly gently: boolean;
  constructor(gently: boolean) {
    this.gently = gently;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const before = real.file;
    if (this.gently) await before[Symbol.asyncDispose]();
    // In one process the old writes must come to rest; what a kill leaves behind has a test of its own.
    else await before.seal();
    real.spool = await openSpool(real.directory, LIMIT);
    const remains = await real.spool.reopen("key");
    expect(remains?.checkpoint.offset).toBe(model.checkpoint === 0 ? undefined : model.checkpoint);
    if (remains !== undefined) {
      expect(remains.checkpoint.sha256).toBe(digest(bytesAt(0, model.checkpoint)));
      expect(remains.header).toEqual(headerOf("key"));
      expect(remains.file.written).toBe(model.checkpoint);
    }
    real.file = remains?.file ?? (await real.spool.create(0));
    model.appended = model.checkpoint;
    if (remains === undefined) model.headed = false;
    // After the last look at the files: gone with it would be what the next process found.
    if (!this.gently) leftOpen.push(before);
  }
  toString(): string {
    return this.gently ? "restart" : "crash";
  }
}

const leftOpen: SpoolFile[] = [];

const steps = fc.commands(
  [
    fc.integer({ min: 0, max: 200_000 }).map((length) => new Append(length)),
    fc.integer({ min: 0, max: 3_000_000 }).map((length) => new Append(length)),
    fc
      .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 100_000 }))
      .map(([at, length]) => new Read(at, length)),
    fc.constant(new Seal()),
    fc.constant(new Begin()),
    fc.constant(new Checkpoint()),
    fc.constant(new Checkpoint()),
    fc.boolean().map((gently) => new Restart(gently)),
  ],
  { maxCommands: 30, size: "max" },
);

test("a spool does what its model does, whatever the order of its calls", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (commands) => {
      await using directory = await temporaryDirectory();
      const spool = await openSpool(directory.path, LIMIT);
      const real = new Real(directory.path, spool, await spool.create(0));
      const model: Model = { appended: 0, headed: false, checkpoint: 0 };
      try {
        await fc.asyncModelRun(() => ({ model, real }), commands);
      } finally {
        await real.file[Symbol.asyncDispose]();
        await Promise.all(leftOpen.splice(0).map((file) => file[Symbol.asyncDispose]()));
        // Nothing has leaked when all that the limit allows can be reserved.
        await real.spool.sweep(new Date(Date.now() + 1000));
        await (await real.spool.create(LIMIT))[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 60 },
  );
});
