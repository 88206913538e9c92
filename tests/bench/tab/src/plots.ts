/** The plots of `bench.html` as one picture that needs no style sheet, for light and for dark pages. */

/** A plot as the page draws it. */
export interface Plot {
  readonly title: string;
  /** The elements in it. */
  readonly svg: string;
  /** Names, in the order of the colours. */
  readonly series: readonly string[];
}

/** Of the page's plots. */
const [WIDTH, HEIGHT] = [460, 260];
/** Title and names. */
const HEAD = 52;
const GAP = 24;
const COLUMNS = 2;

/** The page's colours: see `bench.css`. */
export const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #6d565e; }
  .title { font-size: 14px; font-weight: 600; fill: #2a1a1f; }
  .ground { fill: #fffdfc; }
  .grid { stroke: #e9dad8; }
  polyline { fill: none; stroke: currentcolor; stroke-width: 2; stroke-linejoin: round; }
  circle, .key { fill: currentcolor; }
  .series-0 { color: #b4285a; } .series-1 { color: #22708c; }
  .series-2 { color: #6a7a1f; } .series-3 { color: #7a4fa3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c0a8af; } .title { fill: #f5eaec; } .ground { fill: #181214; } .grid { stroke: #443439; }
    .series-0 { color: #ff94b4; } .series-1 { color: #7cc7e4; }
    .series-2 { color: #c3d36a; } .series-3 { color: #cda8f0; }
  }`;

/** Two plots a row. */
export function together(plots: readonly Plot[]): string {
  const rows = Math.ceil(plots.length / COLUMNS);
  const width = COLUMNS * WIDTH + (COLUMNS + 1) * GAP;
  const height = rows * (HEIGHT + HEAD) + (rows + 1) * GAP;
  const placed = plots.map((plot, i) => {
    const x = GAP + (i % COLUMNS) * (WIDTH + GAP);
    const y = GAP + Math.floor(i / COLUMNS) * (HEIGHT + HEAD + GAP);
    return `<g transform="translate(${x} ${y})">${figure(plot)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>${STYLE}
</style>
<rect class="ground" width="${width}" height="${height}" rx="10" />
${placed.join("\n")}
</svg>
`;
}

function figure({ title, svg, series }: Plot): string {
  const names = series.map(
    (name, i) =>
      `<g class="series-${i}" transform="translate(${i * 120} 26)"><rect class="key" width="16" height="3" y="7" /><text x="22" y="13">${name}</text></g>`,
  );
  // Lit marks its places with comments.
  const drawing = svg.replace(/<!--.*?-->/gs, "").replace(/\s+/g, " ");
  return `<text class="title" y="12">${title}</text>${names.join("")}<g transform="translate(0 ${HEAD})">${drawing}</g>`;
}
