/** The picture of a token: every dispatch where it ran, a layer enlarged, and what each kind takes in all. */

import { grouped } from "../../table.js";

/** A program that ran once. */
export interface Kernel {
  readonly name: string;
  readonly workgroups: number;
  /** Since the token's first. */
  readonly startUs: number;
  readonly us: number;
}

/** A token that was traced. */
export interface TokenTrace {
  readonly model: string;
  readonly conditions: string;
  readonly dispatches: readonly Kernel[];
}

const WIDTH = 960;
const MARGIN = 24;
const ACROSS = WIDTH - 2 * MARGIN;
const STRIP = 34;
/** Kinds with a colour of their own; the others share the last. */
const COLOURS = 6;
/** Dispatches that are enlarged: three language layers and a cross-attention block. */
const ENLARGED = 24;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #6d565e; }
  .title { font-size: 14px; font-weight: 600; fill: #2a1a1f; }
  .ground { fill: #fffdfc; } .frame { fill: none; stroke: #e9dad8; }
  .kind-0 { fill: #b4285a; } .kind-1 { fill: #22708c; } .kind-2 { fill: #6a7a1f; }
  .kind-3 { fill: #7a4fa3; } .kind-4 { fill: #c9722b; } .kind-5 { fill: #8a8086; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c0a8af; } .title { fill: #f5eaec; } .ground { fill: #181214; } .frame { stroke: #443439; }
    .kind-0 { fill: #ff94b4; } .kind-1 { fill: #7cc7e4; } .kind-2 { fill: #c3d36a; }
    .kind-3 { fill: #cda8f0; } .kind-4 { fill: #f0a868; } .kind-5 { fill: #9a9096; }
  }`;

/** Above, where there is one, the same token of another build, at the same scale. */
export function timeline(trace: TokenTrace, before?: TokenTrace): string {
  const kinds = kindsOf([...(before?.dispatches ?? []), ...trace.dispatches]);
  const whole = Math.max(...[trace, before].map((it) => (it === undefined ? 0 : lengthUs(it))));
  const parts: string[] = [];
  let y = MARGIN;
  const add = (height: number, part: string) => {
    parts.push(`<g transform="translate(${MARGIN} ${y})">${part}</g>`);
    y += height;
  };
  if (before !== undefined) add(90, strip("Before", before.dispatches, whole, kinds));
  add(90, strip(before === undefined ? "One token" : "Now", trace.dispatches, whole, kinds));
  const first = Math.floor(trace.dispatches.length / 2);
  const close = trace.dispatches.slice(first, first + ENLARGED);
  const from = close[0]?.startUs ?? 0;
  const moved = close.map((kernel) => ({ ...kernel, startUs: kernel.startUs - from }));
  const last = moved.at(-1);
  add(
    90,
    strip(
      `Enlarged: ${close.length} dispatches from its middle`,
      moved,
      (last?.startUs ?? 0) + (last?.us ?? 0),
      kinds,
    ),
  );
  const legends: readonly (readonly [string, TokenTrace])[] =
    before === undefined
      ? [["By kind", trace]]
      : [
          ["Before, by kind", before],
          ["Now, by kind", trace],
        ];
  for (const [title, { dispatches }] of legends) {
    const there = kinds.filter((kind) => dispatches.some(({ name }) => name === kind));
    add(20 * there.length + 40, legend(title, dispatches, there, kinds));
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="One token on the GPU">
<style>${STYLE}
</style>
<rect class="ground" width="${WIDTH}" height="${y}" rx="10" />
${parts.join("\n")}
</svg>
`;
}

/** Names, those that take longest first. */
function kindsOf(kernels: readonly Kernel[]): string[] {
  const times = [...grouped(kernels, ({ name }) => name)].map(
    ([name, kernels]) => [name, sumUs(kernels)] as const,
  );
  return times.sort(([, a], [, b]) => b - a).map(([name]) => name);
}

const sumUs = (kernels: readonly Kernel[]) => kernels.reduce((sum, { us }) => sum + us, 0);

function lengthUs({ dispatches }: TokenTrace): number {
  const last = dispatches.at(-1);
  return last === undefined ? 0 : last.startUs + last.us;
}

/** Milliseconds; tenths where they are few. */
const ms = (us: number) => (us < 100_000 ? (us / 1000).toFixed(1) : (us / 1000).toFixed(0));

const colour = (kinds: readonly string[], name: string) =>
  `kind-${Math.min(kinds.indexOf(name), COLOURS - 1)}`;

function strip(
  title: string,
  kernels: readonly Kernel[],
  wholeUs: number,
  kinds: readonly string[],
): string {
  const x = (us: number) => ((us / wholeUs) * ACROSS).toFixed(2);
  const boxes = kernels.map(
    ({ name, startUs, us }) =>
      `<rect class="${colour(kinds, name)}" x="${x(startUs)}" y="22" width="${x(us)}" height="${STRIP}" />`,
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return `<text x="${share * ACROSS}" y="${STRIP + 38}" text-anchor="${anchor}">${ms(share * wholeUs)} ms</text>`;
  });
  const last = kernels.at(-1);
  const busy = `${kernels.length} dispatches, ${ms(sumUs(kernels))} of ${ms((last?.startUs ?? 0) + (last?.us ?? 0))} ms in programs`;
  return `<text class="title" y="12">${title}</text><text x="${ACROSS}" y="12" text-anchor="end">${busy}</text>
${boxes.join("")}<rect class="frame" y="22" width="${ACROSS}" height="${STRIP}" />${ticks.join("")}`;
}

/** What those kinds take that are `there`; their colours are by all `kinds`. */
function legend(
  title: string,
  kernels: readonly Kernel[],
  there: readonly string[],
  kinds: readonly string[],
): string {
  const whole = sumUs(kernels);
  const rows = there.map((name, i) => {
    const of = kernels.filter((kernel) => kernel.name === name);
    const share = sumUs(of) / whole;
    const kind = colour(kinds, name);
    return `<g transform="translate(0 ${20 * i + 36})"><rect class="${kind}" width="12" height="12" y="-10" rx="2" /><text x="20">${name}</text><text x="230" text-anchor="end">${of.length}×</text><rect class="${kind}" x="250" y="-10" width="${(share * 560).toFixed(1)}" height="12" /><text x="${(share * 560 + 258).toFixed(1)}">${ms(sumUs(of))} ms</text></g>`;
  });
  return `<text class="title" y="12">${title}</text>${rows.join("\n")}`;
}
