/**
 * What `work` answers, or the signal's reason when it is aborted first. Leaves nothing behind at the
 * signal, which may live long (`Promise.race` would, at a promise).
 */
export function unlessAborted<T>(work: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  const settled = () => signal.removeEventListener("abort", onAbort);
  work.then(
    (answer) => {
      settled();
      resolve(answer);
    },
    (error: unknown) => {
      settled();
      reject(error);
    },
  );
  return promise;
}
