/**
 * Hooks for React.
 *
 * ```tsx
 * const { model, progress } = useFlamingo("/models/flamingo-smollm2-135m/model.json");
 * const { text } = useCaption(model, photo);
 * ```
 *
 * What a component asked for ends when it goes, or when it asks for something else. Nothing runs
 * where pages are rendered on a server. Options may be written where they are used: they count as the
 * same while their parts are. A picture is the same if it is the same object.
 */

export type { CaptionState, UseCaptionOptions } from "./react/caption.js";
export { useCaption } from "./react/caption.js";
export type { DecisionState, UseDecideOptions } from "./react/decide.js";
export { useDecide } from "./react/decide.js";
export type { ModelState, UseFlamingoOptions } from "./react/flamingo.js";
export { useFlamingo } from "./react/flamingo.js";
export type { LiveCaptionState, UseLiveCaptionOptions, VideoTarget } from "./react/live-caption.js";
export { useLiveCaption } from "./react/live-caption.js";
export type { SessionMaker } from "./react/session.js";
