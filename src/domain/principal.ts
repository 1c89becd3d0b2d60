export const ROLES = ["reader", "member", "auditor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Who is asking, after authentication. */
export interface Principal {
  /** The token's id, or "anonymous". Names the caller in logs and tombstones; never the secret. */
  readonly tokenId: string;
  readonly project: string;
  readonly roles: readonly Role[];
}

export function isAdmin(principal: Principal): boolean {
  return principal.roles.includes("admin");
}

/** May create, and change what its project owns. */
export function mayWrite(principal: Principal): boolean {
  return isAdmin(principal) || principal.roles.includes("member");
}
