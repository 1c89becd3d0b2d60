import type { Room } from "../../src/domain/space.ts";

/** A store that nothing fills. */
export const ENDLESS_ROOM: Room = {
  step: 2 ** 28,
  fits: () => true,
  has: async () => true,
  reserve: async () => "granted",
  release: async () => undefined,
};
