import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Most files wait for programs, disks and clocks of theirs: one more than vitest takes for two cores.
    ...(process.env.CI === "true" ? { maxWorkers: 2 } : {}),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests of real programs and of time share two cores there; one that needs a second try is named at the end.
    retry: process.env.CI === "true" ? 1 : 0,
    reporters: ["default", "./test/support/summary-reporter.ts"],
  },
});
