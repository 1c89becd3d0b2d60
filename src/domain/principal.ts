export const ROLES = ["reader", "member", "auditor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** The admin token's project: what limits projects for one another's sake does not limit it unless it is told to. */
export const ADMIN_PROJECT = "admin";

/** Who is asking, after authentication. */
export interface Principal {
  /** The token's id, or "anonymous". Names the caller in logs and tombstones; never the secret. */
  readonly tokenId: string;
  readonly project: string;
  readonly roles: readonly Role[];
  /** Where the request came from, as the edge tells it; empty: from no network, but from this process or machine. */
  readonly address: string;
}

export function isAdmin(principal: Principal): boolean {
  return principal.roles.includes("admin");
}

/** May create, and change what its project owns. */
export function mayWrite(principal: Principal): boolean {
  return isAdmin(principal) || principal.roles.includes("member");
}

/** What Cistern does by itself: jobs, rules. It has no rights to ask anything with. */
export const SYSTEM: Principal = { tokenId: "system", project: "", roles: [], address: "" };
