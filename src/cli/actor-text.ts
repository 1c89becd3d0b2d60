import { ADMIN_TOKEN_ID } from "../domain/token.ts";
import { printable } from "./table.ts";

/** Who changed something: the id of a token, as `cistern token ls` has it, or the admin, whose id nobody knows. */
export function actorText(id: string | null): string {
  return id === ADMIN_TOKEN_ID ? "admin" : printable(id ?? "");
}
