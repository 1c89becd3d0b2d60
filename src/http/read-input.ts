import { z } from "zod";
import { CisternError } from "../domain/errors.ts";
import { readJson } from "./body.ts";
import type { EdgeContext } from "./caller.ts";
import { bodyError, fieldProblems, type Place, parametersError, sayRule } from "./input-problems.ts";
import type { Operation } from "./operation.ts";

type Values = Readonly<Record<string, unknown>>;

/** The parameters of the path; the operation's `notFound`, else `invalid-input`. */
export function readParams({ params, notFound }: Operation, context: EdgeContext): Values {
  if (params === undefined) return {};
  const parsed = z.object({ ...params }).safeParse(context.req.param(), { error: sayRule });
  if (parsed.success) return parsed.data;
  if (notFound === undefined) throw parametersError(parsed.error, "path");
  throw new CisternError(notFound, "there is nothing of this name", { fields: fieldProblems(parsed.error, "path") });
}

/** The parameters of the query, each given once unless it is a list; `invalid-input`. */
export function readQuery({ query }: Operation, context: EdgeContext): Values {
  const given = new URL(context.req.url).searchParams;
  const schema = query ?? z.strictObject({});
  const parsed = schema.safeParse(collect(given, schema), { error: sayRule });
  if (!parsed.success) throw parametersError(parsed.error, "query");
  return parsed.data;
}

/** A body as it came, and as it was parsed. */
export interface ReadBody {
  readonly json: unknown;
  readonly body: unknown;
}

const NO_BODY: ReadBody = { json: undefined, body: undefined };

/** The JSON body; `unsupported-media-type`, `payload-too-large`, `request-timeout`, `invalid-input`, `unknown-field`. */
export async function readBody({ body, bodyTypes }: Operation, context: EdgeContext): Promise<ReadBody> {
  if (body === undefined) return NO_BODY;
  const { incoming } = context.env;
  const empty = incoming.headers["content-length"] ?? incoming.headers["transfer-encoding"] ?? "0";
  if (empty === "0" && body.safeParse(undefined).success) return NO_BODY;
  const json = await readJson(incoming, bodyTypes ?? ["application/json"]);
  return { json, body: parseBody(body, json) };
}

/** A value that came as JSON; `invalid-input`, `unknown-field`. */
export function parseBody<S extends z.ZodType>(schema: S, json: unknown): z.output<S> {
  const parsed = schema.safeParse(json, { error: sayRule });
  if (!parsed.success) throw bodyError(parsed.error);
  return parsed.data;
}

function collect(given: URLSearchParams, { shape }: z.ZodObject): Values {
  const values = new Map<string, unknown>();
  for (const name of new Set(given.keys())) {
    const all = given.getAll(name);
    if (isList(shape[name])) values.set(name, all);
    else if (all.length === 1) values.set(name, all[0]);
    else throw onceOnly(name, shape[name] === undefined ? "is not a parameter here" : "must be given once");
  }
  return Object.fromEntries(values);
}

function onceOnly(name: string, rule: string): CisternError {
  const place: Place = "query";
  const issue = { code: "custom" as const, path: [name], message: rule, input: undefined };
  return parametersError(new z.ZodError([issue]), place);
}

function isList(schema: z.core.$ZodType | undefined): boolean {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return isList(schema.def.innerType);
  return schema instanceof z.ZodArray;
}
