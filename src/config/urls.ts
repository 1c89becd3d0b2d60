import ipaddr from "ipaddr.js";
import { maskUrl } from "../domain/location.ts";

const MASK = "***";

/** An http(s) URL that may have a path, without a slash at the end; undefined: it is none. */
export function parsePublicUrl(text: string): string | undefined {
  return parseHttpUrl(text)?.href.replace(/\/+$/, "");
}

/** Scheme, host and port of an http(s) URL that has nothing else; undefined otherwise. */
export function parseOrigin(text: string): string | undefined {
  const url = parseHttpUrl(text);
  return url?.pathname === "/" ? url.origin : undefined;
}

/** An origin whose host is one that a peer can connect to: not the address that stands for all of them. */
export function parseReplicaUrl(text: string): string | undefined {
  const origin = parseOrigin(text);
  return origin === undefined || isUnspecified(new URL(origin).hostname) ? undefined : origin;
}

/** A URL of Postgres that its driver takes as it is written; undefined otherwise. */
export function parseDatabaseUrl(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  // A password with an unencoded / ? # or @ ends the host early: the rest of it would be taken for
  // the database, or for a parameter, and be shown as such.
  const whole = /^(\/[^/@]*)?$/.test(url.pathname) && !/[@#]/.test(url.search + url.hash) && !text.includes("#");
  if (!whole || url.hostname === "") return undefined;
  return [url.username, url.password, url.pathname, url.search].every(isEncoded) ? text : undefined;
}

/** The URL of a database as it may be shown: host, database and user; no password, no secret parameter. */
export function maskDatabaseUrl(text: string): string {
  const { username } = new URL(text);
  const url = new URL(maskUrl(text));
  url.username = username;
  if (url.password !== "") url.password = MASK;
  return url.href;
}

function parseHttpUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  return plain && (url.protocol === "http:" || url.protocol === "https:") ? url : undefined;
}

function isUnspecified(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unspecified";
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}
