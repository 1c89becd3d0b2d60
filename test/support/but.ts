/** The thing itself, but for these members. */
export function but<T extends object>(thing: T, others: Partial<T>): T {
  return new Proxy(thing, {
    get(target, name) {
      if (name in others) return Reflect.get(others, name);
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
