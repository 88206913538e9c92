import type { Loading } from "./loading.js";

/** What has to happen to the model before it can be used, in words; empty where it is ready. */
export function waitingFor({ phase }: Loading): string {
  if (phase === "failed") return "There is no model.";
  return phase === "ready" ? "" : "The model is on its way.";
}
