import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Embedded } from "../../support/embedded-app.ts";
import { LOCATION_TYPE, PATCH_TYPE } from "../call.ts";

export const PLACES = ["private", "public", "drafted"]
  .flatMap((state) => [`blue ${state}`])
  .concat(["private", "public", "drafted"].map((state) => `red ${state}`));

/** An artifact that the matrix is about. */
export interface Place {
  readonly id: string;
  readonly path: string;
}

/** What its blobs have. */
export interface Bytes {
  readonly url: string;
  readonly sha256: string;
}

const ID = z.looseObject({ id: z.string() });

export class Places {
  readonly #cistern: Embedded;
  readonly #bytes: Bytes;
  readonly #members: ReadonlyMap<string, string>;

  /** @param members tokens of members, by their projects */
  constructor(cistern: Embedded, bytes: Bytes, members: ReadonlyMap<string, string>) {
    this.#cistern = cistern;
    this.#bytes = bytes;
    this.#members = members;
  }

  /** A new one: `blue private`, `red drafted`. */
  async make(name: string): Promise<Place> {
    const [project = "", state = ""] = name.split(" ");
    const token = this.#members.get(project) ?? "";
    const json = { name: `of-${randomUUID()}` };
    const { id } = ID.parse(await this.#ask(token, "POST", "/artifacts/files", "application/json", json));
    const path = `/artifacts/files/${id}`;
    for (const blob of ["file", "mirrors/a"]) {
      await this.#ask(token, "PUT", `${path}/${blob}`, LOCATION_TYPE, this.#bytes);
    }
    if (state !== "drafted") await this.#set(token, path, "status", "active");
    if (state === "public") await this.#set(this.#cistern.adminToken, path, "visibility", "public");
    return { id, path };
  }

  /** A fetch of it that waits until tomorrow. */
  async fill({ id }: Place): Promise<string> {
    const json = { artifact: id, not_before: tomorrow() };
    return ID.parse(await this.#ask(this.#cistern.adminToken, "POST", "/v1/fills", "application/json", json)).id;
  }

  #set(token: string, path: string, member: string, value: string): Promise<unknown> {
    return this.#ask(token, "PATCH", path, PATCH_TYPE, [{ op: "replace", path: `/${member}`, value }]);
  }

  async #ask(token: string, method: string, path: string, type: string, json: unknown): Promise<unknown> {
    const headers = { "Content-Type": type };
    const answer = await this.#cistern.ask(method, path, { token, headers, body: JSON.stringify(json) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body.toString());
  }
}

export function tomorrow(): string {
  return new Date(Date.now() + 86_400_000).toISOString();
}
