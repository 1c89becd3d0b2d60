export interface Instruction {
  readonly keyword: string;
  readonly text: string;
}

export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

export interface Copy {
  readonly from: string | undefined;
  readonly owner: number | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

/** The stages of a Dockerfile that uses no variables and no here-documents. */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: { base: string; name: string | undefined; instructions: Instruction[] }[] = [];
  const lines = text.replace(/^\s*#.*\n/gm, "").replace(/\\\n/g, " ");
  for (const [, keyword = "", rest = ""] of lines.matchAll(/^([A-Z]+) +(.+)$/gm)) {
    if (keyword === "FROM") {
      const [base = "", , name] = rest.split(/ +/);
      stages.push({ base, name, instructions: [] });
    } else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`${keyword} stands before the first FROM`);
      stage.instructions.push({ keyword, text: rest.trim() });
    }
  }
  return stages;
}

export function parseCopy(text: string): Copy {
  const words = text.split(/ +/);
  const flags = new Map(words.filter((word) => word.startsWith("--")).map(nameAndValue));
  const paths = words.filter((word) => !word.startsWith("--"));
  const owner = flags.get("--chown");
  return {
    from: flags.get("--from"),
    owner: owner === undefined ? undefined : Number.parseInt(owner, 10),
    sources: paths.slice(0, -1),
    target: paths.at(-1) ?? "",
  };
}

/** `NAME=VALUE` pairs of an ENV; values hold no blanks here. */
export function parseEnv(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(text.split(/ +/).map(nameAndValue));
}

/** Command and arguments of an instruction in exec form; rejects the shell form, which swallows signals. */
export function parseExec(text: string): readonly string[] {
  const words: unknown = JSON.parse(text.slice(text.indexOf("[")));
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) {
    throw new Error(`not in exec form: ${text}`);
  }
  return words;
}

/**
 * Whether a path of the context reaches the builder, by the rules of a .dockerignore that names
 * files and folders and knows no wildcard but `*`, everything.
 */
export function reachesBuilder(path: string, dockerignore: string): boolean {
  let kept = true;
  for (const line of dockerignore.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const pattern = line.replace(/^!/, "");
    if (pattern !== "*" && /[*?[]/.test(pattern)) throw new Error(`a wildcard in .dockerignore: ${line}`);
    const covers = pattern === "*" || path === pattern || path.startsWith(`${pattern}/`);
    if (covers) kept = line.startsWith("!");
  }
  return kept;
}

function nameAndValue(word: string): [string, string] {
  const at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}
