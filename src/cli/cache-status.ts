/** How a response came about: from the store, from a fill in progress, or as the cause of a fill. */
export type Outcome = "hit" | "follow" | "fill";

/** What Cistern's own member of a `Cache-Status` header says (RFC 9211); undefined: nothing. */
export function parseCacheStatus(header: string | readonly string[] | undefined): Outcome | undefined {
  const text = typeof header === "string" ? header : (header ?? []).join(", ");
  const ours = text.split(",").find((member) => /^\s*"?Cistern"?\s*(;|$)/i.test(member));
  const parameters = ours?.split(";").map((parameter) => parameter.trim()) ?? [];
  if (parameters.includes("hit")) return "hit";
  if (parameters.includes("collapsed")) return "follow";
  return parameters.some((parameter) => parameter.startsWith("fwd=")) ? "fill" : undefined;
}
