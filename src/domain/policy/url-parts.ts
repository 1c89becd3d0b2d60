/** What a rule sees of a URL: nothing of it is a secret. */
export interface UrlParts {
  /** `http` or `https`. */
  readonly scheme: string;
  /** Lower case, without a dot at the end; an IPv6 address in its brackets. */
  readonly host: string;
  readonly port: number;
  /** As `normalisePath` has it. */
  readonly path: string;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** @param href an absolute http(s) URL */
export function urlParts(href: string): UrlParts {
  const url = new URL(href);
  const scheme = url.protocol.slice(0, -1);
  const port = url.port === "" ? (DEFAULT_PORTS[scheme] ?? 0) : Number(url.port);
  return { scheme, host: normaliseHost(url.hostname), port, path: normalisePath(url.pathname) };
}

/** Host names are compared in lower case, without the dot of the root. */
function normaliseHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

/** A host's pattern in the form that hosts have; addresses and names of other scripts as the URL's parser writes them. */
export function normaliseHostGlob(pattern: string): string {
  const plain = !pattern.includes("*") && URL.canParse(`http://${pattern}/`);
  return normaliseHost(plain ? new URL(`http://${pattern}/`).hostname : pattern);
}

/**
 * One way of writing a path: what need not be percent-encoded is not, and what is, is in upper case.
 * RFC 3986 §6.2.2. Dot segments the URL's parser has removed.
 */
export function normalisePath(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (written, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-._~]/.test(char) ? char : written.toUpperCase();
  });
}
