import { invalid } from "../domain/errors.ts";

// https://semver.org/spec/v2.0.0.html#backusnaur-form-grammar-for-valid-semver-versions, without its anchors' captures
const SEMVER = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;
const MAX_DIGITS = 99;

/**
 * A semantic version in a form whose byte order is its precedence (semver 2.0.0 §11), so that an
 * index sorts it. Numbers carry their length in front; a release sorts after its pre-releases;
 * build metadata does not count.
 */
export function versionKey(version: string): string {
  const parts = SEMVER.exec(version);
  if (parts === null) throw invalid("version", "must be a semantic version of three parts");
  const [, major = "", minor = "", patch = "", pre] = parts;
  const release = [major, minor, patch].map(numberKey).join(".");
  // "~" sorts after "-" and after all that identifiers are made of.
  return pre === undefined ? `${release}~` : `${release}-${pre.split(".").map(identifierKey).join(" ")}`;
}

/** Numeric identifiers sort before all others (§11.4.3); the space between two sorts before any character. */
function identifierKey(identifier: string): string {
  return /^\d+$/.test(identifier) ? `0${numberKey(identifier)}` : `1${identifier}`;
}

function numberKey(digits: string): string {
  const number = digits.replace(/^0+(?=\d)/, "");
  if (number.length > MAX_DIGITS) throw invalid("version", `must have numbers of at most ${MAX_DIGITS} digits`);
  return `${String(number.length).padStart(2, "0")}${number}`;
}
