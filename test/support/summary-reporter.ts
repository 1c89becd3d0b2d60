import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with one plain line, `N passed, N failed`, for readers that know no vitest. A file that
 * does not even load, and a hook that throws, count as a failure each; skipped tests count as neither and are
 * named, and so are those that passed only at their second try.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], _reason: TestRunEndReason): void {
    let passed = 0;
    let failed = unhandled.length;
    const skipped: string[] = [];
    const retried: string[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (test.diagnostic()?.flaky === true) retried.push(`${module.relativeModuleId} > ${test.fullName}`);
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
      }
    }
    for (const name of retried) process.stdout.write(`passed at the second try: ${name}\n`);
    for (const name of skipped) process.stdout.write(`skipped: ${name}\n`);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
  }
}
