import { z } from "zod";

const FIELD = z.object({ field: z.string(), rule: z.string() });

/** Both error shapes of the wire: RFC 9457 on the admin API, OpenStack's on the compatible ones. */
const PROBLEM = z.looseObject({
  code: z.union([z.string(), z.number()]).optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  explanation: z.string().optional(),
  error: z.looseObject({ message: z.string().optional(), code: z.string().optional() }).optional(),
  errors: z.array(FIELD).optional(),
});

export interface ProblemBody {
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly fields: readonly z.infer<typeof FIELD>[];
}

/** What an error's body says; empty when it is not one of Cistern's. */
export function parseProblem(text: string): ProblemBody {
  const parsed = PROBLEM.safeParse(parseJson(text));
  if (!parsed.success) return { code: undefined, message: undefined, fields: [] };
  const { code, title, detail, explanation, error, errors } = parsed.data;
  return {
    code: typeof code === "string" ? code : error?.code,
    message: detail ?? explanation ?? error?.message ?? title,
    fields: errors ?? [],
  };
}

/** undefined when the text is not JSON: a proxy on the way may answer with HTML. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
