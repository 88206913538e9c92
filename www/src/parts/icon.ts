import { html, type SVGTemplateResult, svg, type TemplateResult } from "lit";

/** Strokes on a grid of 24 × 24. */
const ICONS = {
  caption: svg`<rect x="3" y="4" width="18" height="11" rx="2.5"/><path d="m5 14 4.5-5 3.5 3.5L15 11l4 3.5M6 19h12"/>`,
  ask: svg`<path d="M4 5.5h16v11h-8l-4.5 3.5v-3.5H4z"/><path d="M10 9.2a2 2 0 1 1 2.6 2c-.5.2-.6.5-.6 1M12 14h.01"/>`,
  choose: svg`<path d="M4 6h2M4 12h2M4 18h2M9 6h11M9 12h7M9 18h4"/>`,
  decide: svg`<rect x="4" y="3" width="16" height="18" rx="2.5"/><path d="m7.5 8 1.3 1.3L11 7M14 8h3M8 15h.01M14 15h3"/>`,
  clip: svg`<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="M7 5v14M17 5v14M3 9.7h4M3 14.3h4M17 9.7h4M17 14.3h4"/>`,
  live: svg`<rect x="3" y="7" width="12" height="10" rx="2.5"/><path d="m15 11 6-3.5v9L15 13z"/>`,
  models: svg`<path d="m12 3 8 4.5v9L12 21l-8-4.5v-9z"/><path d="m4 7.5 8 4.5 8-4.5M12 12v9"/>`,
  camera: svg`<path d="M4 8h3.5L9 5.5h6L16.5 8H20v11H4z"/><circle cx="12" cy="13" r="3.5"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"/>`,
  up: svg`<path d="m6 14 6-6 6 6"/>`,
  down: svg`<path d="m6 10 6 6 6-6"/>`,
  copy: svg`<rect x="8" y="8" width="12" height="12" rx="2.5"/><path d="M16 8V4H4v12h4"/>`,
  remove: svg`<path d="m6 6 12 12M18 6 6 18"/>`,
  undo: svg`<path d="M8 5 4 9l4 4"/><path d="M4 9h10a5.5 5.5 0 0 1 0 11h-3"/>`,
  grip: svg`<path d="M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01"/>`,
  flip: svg`<path d="M4 11a8 8 0 0 1 14-4l2 2M20 4v5h-5M20 13a8 8 0 0 1-14 4l-2-2M4 20v-5h5"/>`,
  picture: svg`<rect x="3" y="5" width="18" height="14" rx="2.5"/><circle cx="8.5" cy="10" r="1.5"/><path d="m5 18 5.5-5 3.5 3 2.5-2 3.5 3.5"/>`,
} as const satisfies Record<string, SVGTemplateResult>;

export type IconName = keyof typeof ICONS;

/** A drawing beside words or a name that say the same. */
export const icon = (name: IconName): TemplateResult => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${ICONS[name]}</svg>
`;
