/** The views, in the order of the navigation. The first one is where the page opens. */

import type { ModelHolder } from "../model/model-holder.js";
import type { IconName } from "../parts/icon.js";
import type { ViewElement } from "./view-element.js";

export interface View {
  /** Its place in the address: `#/path`. */
  readonly path: string;
  readonly title: string;
  readonly icon: IconName;
  /** Fetches its module. */
  readonly load: () => Promise<new (holder: ModelHolder) => ViewElement>;
}

export const VIEWS = [
  {
    path: "caption",
    title: "Caption",
    icon: "caption",
    load: async () => (await import("./caption/caption-view.js")).CaptionView,
  },
  {
    path: "ask",
    title: "Ask",
    icon: "ask",
    load: async () => (await import("./ask/ask-view.js")).AskView,
  },
  {
    path: "choose",
    title: "Choose",
    icon: "choose",
    load: async () => (await import("./choose/choose-view.js")).ChooseView,
  },
  {
    path: "decide",
    title: "Decide",
    icon: "decide",
    load: async () => (await import("./decide/decide-view.js")).DecideView,
  },
  {
    path: "clip",
    title: "Clip",
    icon: "clip",
    load: async () => (await import("./clip/clip-view.js")).ClipView,
  },
  {
    path: "live",
    title: "Live",
    icon: "live",
    load: async () => (await import("./live/live-view.js")).LiveView,
  },
  {
    path: "models",
    title: "Models",
    icon: "models",
    load: async () => (await import("./models/models-view.js")).ModelsView,
  },
] as const satisfies readonly View[];

/** The view that an address' fragment names; the first where it names none. */
export function viewAt(hash: string): View {
  return VIEWS.find(({ path }) => hash === `#/${path}`) ?? VIEWS[0];
}
