/** Figures of one scenario, one row per contender. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One figure that Cistern must reach. */
export interface Bar {
  readonly name: string;
  readonly limit: string;
  readonly figure: string;
  readonly pass: boolean;
}

export interface ScenarioReport {
  readonly tables: readonly Table[];
  readonly bars: readonly Bar[];
}

export function atMost(name: string, limit: number, figure: number, unit = "", digits = 2): Bar {
  return bar(name, `≤ ${limit}${unit}`, `${figure.toFixed(digits)}${unit}`, figure <= limit);
}

export function atLeast(name: string, limit: number, figure: number, unit = "", digits = 2): Bar {
  return bar(name, `≥ ${limit}${unit}`, `${figure.toFixed(digits)}${unit}`, figure >= limit);
}

export function exactly(name: string, limit: number, figure: number): Bar {
  return bar(name, `= ${limit}`, String(figure), figure === limit);
}

function bar(name: string, limit: string, figure: string, pass: boolean): Bar {
  return { name, limit, figure, pass };
}

/** Plain text: the tables, aligned. */
export function renderTable(table: Table): string {
  const lines = [table.columns, ...table.rows];
  const widths = table.columns.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const render = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [table.title, render(table.columns), rule, ...table.rows.map(render)].join("\n");
}

export function renderBars(bars: readonly Bar[]): string {
  const rows = bars.map((one) => [one.name, one.limit, one.figure, one.pass ? "pass" : "MISSED"]);
  return renderTable({ title: "Bars", columns: ["bar", "limit", "seen", ""], rows });
}
