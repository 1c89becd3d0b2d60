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

const MASK = "***";
const MAX_URL = 4096;
const MAX_PARAMETERS = 64;
/** A parameter with one of these in its name grants access. */
const SECRET_IN_NAME = /token|secret|signature|credential|password|passwd|apikey|api[-_]key|access[-_]?key/i;
/** So does one that is called so. */
const SECRET_NAME =
  /^(sig|key|auth|authorization|jwt|sv|se|sp|policy|key-pair-id|x-(amz|goog|oss|cos)-.*|awsaccesskeyid|googleaccessid|temp_url_.*|expires|hmac|hash|code|st|pass|pwd|session.*|sid|hdnts|hdnea|ticket|cookie.*)$/is;
/** What keys and tokens are written in, percent-encoded or not. */
const SECRET_VALUE = /^[a-z0-9\-_+/=.~%]{20,}$/i;
/** The end of a file's name; none has both cases. */
const FILE_EXTENSION = /\.\d?([a-z][a-z0-9]{0,7}|[A-Z][A-Z0-9]{0,7})$/;

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
  if (url.searchParams.size > MAX_PARAMETERS) {
    throw invalid(field, `must have at most ${MAX_PARAMETERS} query parameters`);
  }
  return url.href;
}

/** True when the URL carries something that grants access: user-info or a secret-looking query parameter. */
export function urlHasSecret(href: string): boolean {
  const url = new URL(href);
  if (url.username !== "" || url.password !== "") return true;
  return parametersOf(url).some(isSecret);
}

/** The URL as it may be shown: user-info and secret-looking query parameters masked. */
export function maskUrl(href: string): string {
  const url = new URL(href);
  if (url.username !== "") url.username = MASK;
  if (url.password !== "") url.password = MASK;
  // Set once: every assignment writes the whole URL anew.
  if (url.search !== "") url.search = parametersOf(url).map(maskParameter).join("&");
  return url.href;
}

/** The query's parameters as they are written. */
function parametersOf(url: URL): string[] {
  return url.search.slice(1).split("&");
}

/** A written parameter as it may be shown. */
function maskParameter(parameter: string): string {
  if (!isSecret(parameter)) return parameter;
  return isBare(parameter) && looksSecret(parameter) ? MASK : `${nameOf(parameter)}=${MASK}`;
}

/** True when a parameter's name says that it grants access, or its value looks so. */
function isSecret(parameter: string): boolean {
  const name = nameOf(parameter);
  const value = isBare(parameter) ? parameter : parameter.slice(name.length + 1);
  return nameIsSecret(name) || looksSecret(value);
}

/** True for a parameter without a name, or without a value; `=` at its end may be the padding of base64. */
function isBare(parameter: string): boolean {
  return /^[^=]*=*$/.test(parameter);
}

function nameOf(parameter: string): string {
  return parameter.split("=", 1)[0] ?? "";
}

/** @param written a parameter's name as it is in the query, maybe percent-encoded */
function nameIsSecret(written: string): boolean {
  const [name = ""] = new URLSearchParams(written).keys();
  return SECRET_IN_NAME.test(name) || SECRET_NAME.test(name);
}

/** True for a long value of letters and digits that is no file's name. */
function looksSecret(value: string): boolean {
  return SECRET_VALUE.test(value) && /\d/.test(value) && /[a-z]/i.test(value) && !FILE_EXTENSION.test(value);
}

/** Host and port of the origin, for messages and back-off. */
export function originOf(href: string): string {
  return new URL(href).host;
}
