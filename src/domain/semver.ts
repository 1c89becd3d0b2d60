import { invalid } from "./errors.ts";

// https://semver.org/spec/v2.0.0.html, with minor and patch left out or not.
const NUMBER = "(0|[1-9]\\d{0,15})";
const LABEL = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)";
const VERSION = new RegExp(
  `^${NUMBER}(?:\\.${NUMBER}(?:\\.${NUMBER})?)?(-${LABEL}(?:\\.${LABEL})*)?(\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);
const MAX = 128;

/** Parses a semantic version; what is missing of its three numbers is 0, so that `1.0` is `1.0.0`. */
export function parseVersion(value: unknown, field: string): string {
  if (typeof value !== "string") throw invalid(field, "must be a string");
  if (value.length > MAX) throw invalid(field, `must be at most ${MAX} characters`);
  const match = VERSION.exec(value);
  if (match === null) throw invalid(field, "must be a semantic version such as 1.2.3");
  const [, major = "0", minor = "0", patch = "0", pre = "", build = ""] = match;
  return `${major}.${minor}.${patch}${pre}${build}`;
}
