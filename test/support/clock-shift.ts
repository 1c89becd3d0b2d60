/**
 * Preloaded into a process whose wall clock is to be wrong: `TEST_CLOCK_SHIFT_MS` says by how much.
 * Monotonic time and timers are as they are.
 */
const shift = Number(process.env.TEST_CLOCK_SHIFT_MS ?? 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, given, self) =>
    Reflect.construct(target, given.length === 0 ? [target.now() + shift] : given, self),
  apply: (target) => new target(target.now() + shift).toString(),
  get: (target, name, self) => (name === "now" ? () => target.now() + shift : Reflect.get(target, name, self)),
});
