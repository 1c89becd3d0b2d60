/** Lines of JSON (a line feed in a text is escaped there), made as their reader takes them. */
export function ndjson<T>(steps: AsyncIterable<readonly T[]>, view: (one: T) => unknown): ReadableStream<Uint8Array> {
  const iterator = steps[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const step = await iterator.next();
        if (step.done === true) return controller.close();
        controller.enqueue(encoder.encode(step.value.map((one) => `${JSON.stringify(view(one))}\n`).join("")));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
