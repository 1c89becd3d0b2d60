import { z } from "zod";
import { type JsonShape, shapes } from "../wire-fields.ts";

type Direction = "input" | "output";

/** JSON Schemas (2020-12) of zod's, those with an id as components of one document. */
export class Schemas {
  readonly #components = new Map<string, JsonShape>();

  /** `input`: what is taken; `output`: what is answered. */
  of(schema: z.ZodType, direction: Direction): JsonShape {
    const {
      $schema: _,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, {
      io: direction,
      unrepresentable: "any",
      override: ({ zodSchema, jsonSchema }) => {
        const shape = shapes.get(zodSchema);
        if (shape === undefined) return;
        for (const name of Object.keys(jsonSchema)) delete jsonSchema[name];
        Object.assign(jsonSchema, shape.json);
      },
    });
    const names = new Map(Object.keys($defs).map((id) => [id, this.#nameOf(id, direction)]));
    for (const [id, definition] of Object.entries($defs)) this.#add(names.get(id) ?? id, referring(definition, names));
    return referring(json, names);
  }

  /** A component that is written by hand; answers its reference. */
  add(name: string, json: JsonShape): JsonShape {
    this.#add(name, json);
    return { $ref: `#/components/schemas/${name}` };
  }

  get components(): Readonly<Record<string, JsonShape>> {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What is taken and what is answered may differ: defaults, and what is parsed. */
  #nameOf(id: string, direction: Direction): string {
    return direction === "input" && !id.endsWith("Request") ? `${id}Request` : id;
  }

  #add(name: string, json: JsonShape): void {
    const known = this.#components.get(name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(json)) {
      throw new TypeError(`two schemas have the id ${name}`);
    }
    this.#components.set(name, json);
  }
}

function referring(json: unknown, names: ReadonlyMap<string, string>): JsonShape {
  const text = JSON.stringify(json, (key, value: unknown) => {
    if (key !== "$ref" || typeof value !== "string") return value;
    const id = value.replace(/^#\/\$defs\//, "");
    return names.has(id) ? `#/components/schemas/${names.get(id)}` : value;
  });
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}
