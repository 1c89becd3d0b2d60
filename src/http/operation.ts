import type { z } from "zod";
import type { ErrorCode } from "../domain/errors.ts";
import type { Principal, Role } from "../domain/principal.ts";
import type { EdgeContext } from "./caller.ts";
import type { EntityTags } from "./entity-tag.ts";
import type { Face } from "./render-problem.ts";

/** A body that is no JSON, or whose JSON is told apart by its media type. */
export interface Media {
  readonly contentType: string;
  /** Of one body, or undefined when it is no JSON. */
  readonly schema: z.ZodType | undefined;
}

/** What a status answers: JSON of this schema, another medium or one of several, or (null) no body. */
export type ResponseShape = z.ZodType | Media | readonly Media[] | null;

/** One operation as it runs and as `/openapi.json` tells it: there is no second source. */
export interface Description {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  /** Any one of them is needed, else 403; an admin is named as well where it may. `anyone`: no token is asked for. */
  readonly roles: readonly Role[] | "anyone";
  /** By the names in the path. What none of them takes is 400, or the code of `notFound`. */
  readonly params?: Readonly<Record<string, z.ZodType>>;
  /** A `z.strictObject`: unknown parameters are 400. */
  readonly query?: z.ZodObject;
  /** A `z.strictObject`, as a rule: unknown fields are 422. One that takes undefined may be left out. */
  readonly body?: z.ZodType;
  /** Media types of the body; `application/json` when left out. */
  readonly bodyTypes?: readonly string[];
  /** Media types (or ranges) of bodies that are taken as bytes. */
  readonly byteBodies?: readonly string[];
  readonly responses: Readonly<Record<number, ResponseShape>>;
  /** What is answered has an `ETag`; so it has where `ifMatch` is taken. */
  readonly etag?: boolean;
  /** Codes beside those that its parts imply (roles, query, body, preconditions, the catalog being away). */
  readonly errors?: readonly ErrorCode[];
  /** `required`: 428 without. */
  readonly ifMatch?: "required" | "optional";
  /** A POST that makes something: takes `Idempotency-Key`, answers `Location` where it can. */
  readonly creates?: boolean;
  /** The code for a path whose parameters name nothing that could be. */
  readonly notFound?: ErrorCode;
}

export type Method = "get" | "put" | "post" | "patch" | "delete" | "head";

/** A description at its place. */
export interface Operation extends Description {
  readonly method: Method;
  /** As hono has it: `/v1/tokens/:id`. */
  readonly path: string;
  /** How its errors are told. */
  readonly face: Face;
}

/** What a handler is given: everything is parsed. */
export interface Input<D extends Description> {
  readonly context: EdgeContext;
  /** Of an operation for anyone: nobody, who has no role. */
  readonly principal: Principal;
  readonly params: D["params"] extends Record<string, z.ZodType>
    ? { readonly [K in keyof D["params"]]: z.output<D["params"][K]> }
    : Readonly<Record<never, never>>;
  readonly query: D["query"] extends z.ZodType ? z.output<D["query"]> : Readonly<Record<never, never>>;
  readonly body: D["body"] extends z.ZodType ? z.output<D["body"]> : unknown;
  /** The tags of `If-Match`, quotes included. */
  readonly ifMatch: D["ifMatch"] extends "required" ? EntityTags : EntityTags | undefined;
}

/** A value that is only read: views are as readonly as the records that they show. */
export type Shown<T> = T extends readonly (infer E)[]
  ? readonly Shown<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Shown<T[K]> }
    : T;

export type AnswerHeaders = Readonly<Record<string, string>>;

type AnswerBody<R> = R extends z.ZodType
  ? { readonly body: Shown<z.input<R>> }
  : R extends Media
    ? { readonly body: string | ReadableStream<Uint8Array> }
    : { readonly body?: undefined };

/** What a handler answers: one of the statuses that it declares, with the body of that status. */
export type Answer<D extends Description> = {
  [S in keyof D["responses"] & number]: { readonly status: S; readonly headers?: AnswerHeaders } & AnswerBody<
    D["responses"][S]
  >;
}[keyof D["responses"] & number];

/** `A` keeps the statuses as literals. */
export type Handler<D extends Description, A extends Answer<D>> = (input: Input<D>) => Promise<A>;

/** A medium that is no JSON of ours (`text/csv`, `application/x-ndjson`); the handler makes the text. */
export function media(contentType: string, schema?: z.ZodType): Media {
  return { contentType, schema };
}
