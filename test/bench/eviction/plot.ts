import type { Figure } from "./figures.ts";

const PANEL = { width: 190, height: 150, gap: 44, columns: 5, left: 46, top: 64 };
const SERIES = [
  { name: "bound", label: "no policy can be above", color: "#888888", dash: "3 3" },
  { name: "cistern", label: "Cistern's default", color: "#0b6e4f", dash: "" },
  { name: "lru", label: "LRU", color: "#c2410c", dash: "" },
  { name: "lfu", label: "LFU", color: "#2563eb", dash: "6 3" },
  { name: "gdsf", label: "GDSF, each fetch costs the same", color: "#9333ea", dash: "2 2" },
] as const;

type SeriesName = (typeof SERIES)[number]["name"];

/** An SVG of one panel per trace: byte-hit ratio over cache size. */
export function plot(figures: readonly Figure[]): string {
  const names = [...new Set(figures.map(({ trace }) => trace))];
  const panels = names.map((name, at) => {
    const x = PANEL.left + (at % PANEL.columns) * (PANEL.width + PANEL.gap);
    const y = PANEL.top + Math.floor(at / PANEL.columns) * (PANEL.height + PANEL.gap + 14);
    return panel(
      name,
      figures.filter(({ trace }) => trace === name),
      x,
      y,
    );
  });
  const width = PANEL.left + PANEL.columns * (PANEL.width + PANEL.gap);
  const height = PANEL.top + Math.ceil(names.length / PANEL.columns) * (PANEL.height + PANEL.gap + 14);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    "<title>Byte-hit ratio over cache size, by trace and policy</title>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${PANEL.left}" y="18" font-size="13">Byte-hit ratio (%) over cache size (% of the bytes that the trace asks for)</text>`,
    ...SERIES.map((series, at) => legend(series, PANEL.left + at * 200)),
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

function legend({ label, color, dash }: (typeof SERIES)[number], x: number): string {
  return `<path d="M${x} 34h24" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/><text x="${x + 30}" y="38">${label}</text>`;
}

function panel(name: string, figures: readonly Figure[], left: number, top: number): string {
  const step = PANEL.width / Math.max(figures.length - 1, 1);
  const x = (at: number) => (left + at * step).toFixed(1);
  const y = (ratio: number) => (top + PANEL.height * (1 - ratio)).toFixed(1);
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (ratio) =>
      `<path d="M${left} ${y(ratio)}h${PANEL.width}" stroke="#e5e5e5"/><text x="${left - 6}" y="${Number(y(ratio)) + 4}" text-anchor="end" fill="#555555">${100 * ratio}</text>`,
  );
  const sizes = figures.map(
    ({ size }, at) =>
      `<text x="${x(at)}" y="${top + PANEL.height + 15}" text-anchor="middle" fill="#555555">${100 * size}</text>`,
  );
  const lines = SERIES.map(({ name: series, color, dash }) => {
    const points = figures.map((figure, at) => `${x(at)},${y(ratioOf(figure, series))}`).join(" ");
    return `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`;
  });
  return [`<text x="${left}" y="${top - 6}" font-weight="bold">${name}</text>`, ...grid, ...sizes, ...lines].join("\n");
}

function ratioOf(figure: Figure, series: SeriesName): number {
  return series === "bound" ? figure.bound() : (figure.ratios.get(series)?.bytes ?? 0);
}
