import type { SourceRequest } from "../domain/source.ts";

/** The headers of every request that leaves. `secret` is what `basicCredentials` gave for this origin. */
export function requestHeaders(
  loopId: string,
  range: Pick<SourceRequest, "offset" | "validator"> | undefined,
  secret: string | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {
    accept: "*/*",
    "accept-encoding": "identity",
    // RFC 8586: names us, so that a request that comes round is recognised.
    "cdn-loop": loopId,
    "user-agent": "Cistern",
  };
  if (secret !== undefined) headers.authorization = secret;
  if (range !== undefined && range.offset > 0 && range.validator !== undefined) {
    headers.range = `bytes=${range.offset}-`;
    headers["if-range"] = range.validator.value;
  }
  return headers;
}

/** The user-info of a URL as an Authorization value (RFC 7617); undefined when there is none. */
export function basicCredentials(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const bytes = Buffer.concat([percentDecoded(url.username), Buffer.from(":"), percentDecoded(url.password)]);
  return `Basic ${bytes.toString("base64")}`;
}

/** Bytes, not text: a password need not be UTF-8, and a stray percent sign stands for itself. */
function percentDecoded(text: string): Buffer {
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, "latin1");
}
