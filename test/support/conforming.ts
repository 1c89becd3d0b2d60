import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { z } from "zod";

/** An answer, as far as a document says what it must be. */
export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Bytes of the body. */
  readonly length: number;
  text(): string;
}

const RESPONSE = z.looseObject({
  headers: z.record(z.string(), z.looseObject({ required: z.boolean().optional() })).default({}),
  content: z.record(z.string(), z.looseObject({ schema: z.unknown().optional() })).optional(),
});
const DOCUMENT = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ responses: z.record(z.string(), RESPONSE) }))),
});
const PROBLEM_TYPES = ["application/json", "application/problem+json"];

/** Compares what a server answers with the document that it gives of itself. */
export class Conforming {
  readonly #document: z.infer<typeof DOCUMENT>;
  readonly #paths: readonly { readonly template: string; readonly pattern: RegExp }[];
  readonly #ajv: Ajv2020;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(document: unknown) {
    this.#document = DOCUMENT.parse(document);
    // Names before parameters at the same place, as OpenAPI has it.
    const templates = Object.keys(this.#document.paths).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
    this.#paths = templates.map((template) => ({ template, pattern: patternOf(template) }));
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    ajvFormats.default(this.#ajv);
    this.#ajv.addSchema({ ...Object(document), $id: "openapi" });
  }

  /** Why the answer is not what the document says; undefined when it is. */
  objection(seen: Seen): string | undefined {
    const path = pathOf(seen.path);
    const found = this.#paths.find(({ pattern }) => pattern.test(path));
    if (found === undefined) return this.#outside(seen, [404]);
    const methods = this.#document.paths[found.template] ?? {};
    const own = seen.method.toLowerCase();
    const operation = methods[own] ?? (own === "head" ? methods.get : undefined);
    if (operation === undefined) {
      return seen.headers.allow === undefined ? "405 without Allow" : this.#outside(seen, [405]);
    }
    const response = operation.responses[String(seen.status)];
    if (response === undefined) return `${seen.status} is not a status of ${seen.method} ${found.template}`;
    return this.#headers(seen, response) ?? this.#body(seen, found.template, own in methods ? own : "get", response);
  }

  /** What no operation answers: still a problem that names itself. */
  #outside({ status, headers }: Seen, statuses: readonly number[]): string | undefined {
    if (!statuses.includes(status)) return `${status}, where there is no operation`;
    return PROBLEM_TYPES.includes(String(headers["content-type"])) ? undefined : "it is no problem";
  }

  #headers({ headers }: Seen, response: z.infer<typeof RESPONSE>): string | undefined {
    const missing = Object.entries(response.headers).find(
      ([name, { required }]) => required === true && headers[name.toLowerCase()] === undefined,
    );
    return missing === undefined ? undefined : `it has no ${missing[0]}`;
  }

  #body(seen: Seen, template: string, method: string, { content }: z.infer<typeof RESPONSE>): string | undefined {
    if (seen.method === "HEAD") return seen.length === 0 ? undefined : "a HEAD with a body";
    if (content === undefined) return seen.length === 0 ? undefined : "a body where there is none";
    const type =
      String(seen.headers["content-type"] ?? "")
        .split(";")[0]
        ?.trim() ?? "";
    const known = type in content ? type : "*/*";
    if (content[known] === undefined) return `its type is ${type || "not told"}`;
    if (content[known].schema === undefined) return undefined;
    const pointer = ["paths", template, method, "responses", String(seen.status), "content", known, "schema"];
    const validate = this.#validator(pointer);
    if (validate(JSON.parse(seen.text()))) return undefined;
    return `its body is not of the schema: ${this.#ajv.errorsText(validate.errors, { dataVar: "" })}`;
  }

  #validator(pointer: readonly string[]): ValidateFunction {
    const fragment = pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")));
    const ref = `openapi#/${fragment.join("/")}`;
    const known = this.#compiled.get(ref) ?? this.#ajv.compile({ $ref: ref });
    this.#compiled.set(ref, known);
    return known;
  }
}

/** As a server takes it: without the query, and without dot segments. */
function pathOf(target: string): string {
  const url = target.startsWith("/") ? `http://host${target}` : target;
  return URL.canParse(url) ? new URL(url).pathname : target;
}

function patternOf(template: string): RegExp {
  const parts = template.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]+")}$`);
}

function rank(template: string): string {
  return template.replaceAll(/\{\w+\}/g, "\u{10ffff}");
}
