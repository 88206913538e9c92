/** Where transformers.js finds its files. */

import { env } from "@huggingface/transformers";

/** The folder of the ONNX models, below {@link takeModelsFromHere}'s. */
export const MODEL = "onnx";

/** Files come from this server, never from the Hub, and anew for every page. */
export function takeModelsFromHere(): void {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/files/";
  env.useBrowserCache = false;
}
