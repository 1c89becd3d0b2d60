import { describe, expect, test } from "vitest";
import { isAdmin, mayWrite, type Principal, ROLES, type Role } from "../../src/domain/principal.ts";

const having = (...roles: Role[]): Principal => ({ tokenId: "t", project: "p", roles, address: "" });

describe("a principal", () => {
  test("writes as a member or an admin alone", () => {
    expect(ROLES.filter((role) => mayWrite(having(role)))).toEqual(["member", "admin"]);
    expect(ROLES.filter((role) => isAdmin(having(role)))).toEqual(["admin"]);
    expect(mayWrite(having())).toBe(false);
    expect(mayWrite(having("auditor", "reader"))).toBe(false);
  });
});
