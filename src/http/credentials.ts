/** The headers that show who asks; Node's `IncomingHttpHeaders` are some. */
export interface CredentialHeaders {
  readonly authorization?: string | undefined;
  readonly "x-auth-token"?: string | string[] | undefined;
}

export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "malformed"; readonly field: string; readonly rule: string };

const MAX_TOKEN = 512;
const VISIBLE = /^[\x21-\x7e]+$/;
const NONE: Credentials = { kind: "none" };

/** The token that a request shows: Bearer, else X-Auth-Token, else the password of Basic. */
export function readCredentials(headers: CredentialHeaders): Credentials {
  const { authorization } = headers;
  const [scheme, value] = splitScheme(authorization ?? "");
  if (scheme === "bearer") return tokenOf(value, "header.authorization");
  const own = headers["x-auth-token"];
  if (own !== undefined) return tokenOf(decoded(String(own)), "header.x-auth-token");
  if (scheme === "basic") return basic(value);
  return authorization === undefined
    ? NONE
    : {
        kind: "malformed",
        field: "header.authorization",
        rule: "must be Bearer TOKEN, or Basic with the token as password",
      };
}

function splitScheme(header: string): readonly [string, string] {
  const at = header.indexOf(" ");
  return at < 0 ? [header.toLowerCase(), ""] : [header.slice(0, at).toLowerCase(), header.slice(at + 1).trim()];
}

/** RFC 7617: any user name; the password is what follows the first colon. */
function basic(value: string): Credentials {
  const field = "header.authorization";
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value) || value.length > 4 * MAX_TOKEN) {
    return { kind: "malformed", field, rule: "must carry base64 after Basic" };
  }
  const text = Buffer.from(value, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return { kind: "malformed", field, rule: "must carry user:token in base64 after Basic" };
  return tokenOf(text.slice(colon + 1), field);
}

function tokenOf(token: string, field: string): Credentials {
  if (token.length > 0 && token.length <= MAX_TOKEN && VISIBLE.test(token)) return { kind: "token", token };
  return { kind: "malformed", field, rule: `must carry a token of 1 to ${MAX_TOKEN} visible ASCII characters` };
}

/** glanceclient sends the token percent-encoded, others do not. */
function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
