import { invalid } from "./errors.ts";

/** Who set a location decides where it may lead (I8). */
export type SetBy = "admin" | "member";

export interface InternalLocation {
  readonly kind: "internal";
}

export interface ExternalLocation {
  readonly kind: "external";
  /** Absolute http(s) URL as given and normalised, secrets included: never to be shown or logged. */
  readonly url: string;
  readonly setBy: SetBy;
}

export type Location = InternalLocation | ExternalLocation;

const MAX_URL = 4096;
const SECRET_PARAMETER =
  /^(.*(token|secret|signature|credential|password|passwd|apikey|api[-_]key|access[-_]?key).*|sig|key|auth|authorization|jwt|sv|se|sp|policy|key-pair-id|x-(amz|goog|oss|cos)-.*|awsaccesskeyid|googleaccessid|temp_url_.*|expires|hmac|hash|code|st)$/i;

/** Parses and normalises a URL that a caller gave as a location; `field` names it in errors. */
export function parseLocationUrl(text: string, field: string): string {
  if (text.length > MAX_URL) throw invalid(field, `must be at most ${MAX_URL} characters`);
  // Control characters and blanks are dropped or encoded silently by the URL parser; a record must not hide them.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0020\u007f]/.test(text)) throw invalid(field, "must not contain spaces or control characters");
  if (!URL.canParse(text)) throw invalid(field, "must be an absolute URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid(field, "must be an http or https URL");
  if (url.hash !== "") throw invalid(field, "must not have a fragment");
  return url.href;
}

/** True when the URL carries something that grants access: user-info or a secret-looking query value. */
export function urlHasSecret(href: string): boolean {
  const url = new URL(href);
  if (url.username !== "" || url.password !== "") return true;
  return [...url.searchParams.keys()].some((name) => SECRET_PARAMETER.test(name));
}

/** The URL as it may be shown: user-info and secret-looking query values masked. */
export function maskUrl(href: string): string {
  const url = new URL(href);
  if (url.username !== "") url.username = "***";
  if (url.password !== "") url.password = "***";
  for (const name of new Set(url.searchParams.keys())) {
    if (SECRET_PARAMETER.test(name)) url.searchParams.set(name, "***");
  }
  return url.href;
}

/** Host and port of the origin, for messages and back-off. */
export function originOf(href: string): string {
  return new URL(href).host;
}
