/**
 * Whether a URL's host and port match `host`, `*.suffix`, `host:port` or `*.suffix:port`. Without
 * a port a pattern means 80 and 443. `*` stands for one or more labels.
 */
export function hostMatches(pattern: string, href: string): boolean {
  const url = new URL(href);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const split = /^(.*?)(?::(\d+))?$/.exec(
    pattern.startsWith("[") ? pattern.replace(/^(\[[^\]]*\])/, (host) => host.replaceAll(":", "\u0001")) : pattern,
  );
  const host = (split?.[1] ?? pattern).replaceAll("\u0001", ":").toLowerCase();
  const wanted = split?.[2];
  if (wanted === undefined ? port !== "80" && port !== "443" : port !== wanted) return false;
  const name = url.hostname.toLowerCase().replace(/\.$/, "");
  return host.startsWith("*.") ? name.endsWith(host.slice(1)) && name.length > host.length - 1 : name === host;
}
