/** A line plot, drawn here: one scale for each axis, a line and its points for each series. */

import { type SVGTemplateResult, svg } from "lit";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

const [WIDTH, HEIGHT] = [460, 260];
const MARGIN = { left: 52, right: 14, top: 14, bottom: 40 };

/** Steps of an axis, as people like to count. */
const STEPS = [1, 2, 5];

/** Colours of lines: classes `.series-0`, … of the style sheet. */
export const PALETTE = 4;

/** The plot of some series; both axes start at 0. */
export function plot(title: string, xName: string, series: readonly Series[]): SVGTemplateResult {
  const points = series.flatMap(({ points }) => points);
  const xTicks = ticks(Math.max(1, ...points.map(({ x }) => x)));
  const yTicks = ticks(Math.max(1e-9, ...points.map(({ y }) => y)));
  const place = ({ x, y }: Point): Point => ({
    x: MARGIN.left + (x / (xTicks.at(-1) ?? 1)) * (WIDTH - MARGIN.left - MARGIN.right),
    y: HEIGHT - MARGIN.bottom - (y / (yTicks.at(-1) ?? 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom),
  });
  return svg`
    <svg class="plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${title}>
      ${yTicks.map((value) => {
        const { y } = place({ x: 0, y: value });
        return svg`
          <line class="grid" x1=${MARGIN.left} x2=${WIDTH - MARGIN.right} y1=${y} y2=${y} />
          <text class="tick" x=${MARGIN.left - 8} y=${y} dy="0.35em" text-anchor="end">${label(value)}</text>`;
      })}
      ${xTicks.map((value) => {
        const { x } = place({ x: value, y: 0 });
        return svg`<text class="tick" x=${x} y=${HEIGHT - MARGIN.bottom + 18} text-anchor="middle">${label(value)}</text>`;
      })}
      <text class="tick" x=${(WIDTH + MARGIN.left) / 2} y=${HEIGHT - 4} text-anchor="middle">${xName}</text>
      ${series.map(({ points }, i) => {
        const placed = points.map(place);
        return svg`
          <g class="series-${i % PALETTE}">
            <polyline points=${placed.map(({ x, y }) => `${x},${y}`).join(" ")} />
            ${placed.map(({ x, y }) => svg`<circle cx=${x} cy=${y} r="3.5" />`)}
          </g>`;
      })}
    </svg>`;
}

/** Round numbers from 0 to at least `most`, five to eight of them. */
export function ticks(most: number): number[] {
  const magnitude = 10 ** Math.floor(Math.log10(most / 4));
  const step = magnitude * (STEPS.find((step) => step * magnitude * 7 >= most) ?? 10);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step);
}

function label(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}
