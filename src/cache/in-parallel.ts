/**
 * Runs something for each item, so many at the same time. The first failure ends the others, by the
 * signal that they are given, and is thrown when all have ended.
 */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  width: number,
  run: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const ending = AbortSignal.any([signal, failed.signal]);
  const running = new Set<Promise<void>>();
  try {
    for await (const item of items) {
      ending.throwIfAborted();
      const task: Promise<void> = run(item, ending)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= width) await Promise.race(running);
    }
  } catch (error) {
    failed.abort(error);
  }
  await Promise.all(running);
  ending.throwIfAborted();
}
