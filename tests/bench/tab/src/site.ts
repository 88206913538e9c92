/** The built site and the packed models, served to a browser that is started for them. */

import { fileURLToPath } from "node:url";
import { type Browser, chromium, type LaunchOptions } from "playwright-core";
import { CHROMIUM_ARGS } from "../../../browser/chromium.js";
import { type Server, serve } from "../../server.js";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

export const MODELS = {
  default: "models/flamingo-smollm2-135m/model.json",
  tiny: "models/tiny/model.json",
};

export type ModelName = keyof typeof MODELS;

/** Path of a file of the clone. */
export const inClone = (path: string): string => `${ROOT}${path}`;

/**
 * Serves the site, the package as it lies below `/web/`, and an empty page at `/tab/`; `isolated`
 * pages have threads. `others` take the place of folders.
 */
export const serveSite = (
  isolated: boolean,
  others: Readonly<Record<string, string>> = {},
): Promise<Server> =>
  serve(
    {
      "": inClone("www/dist"),
      models: inClone("models"),
      web: inClone("web"),
      tab: inClone("tests/bench/tab/page"),
      ...others,
    },
    { isolated },
  );

export const LAUNCH: LaunchOptions = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: CHROMIUM_ARGS,
};

/** A browser, for as long as `use` takes. */
export async function withChromium<T>(
  use: (browser: Browser) => Promise<T>,
  options: LaunchOptions = {},
): Promise<T> {
  const args = [...CHROMIUM_ARGS, ...(options.args ?? [])];
  const browser = await chromium.launch({ ...LAUNCH, ...options, args });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/**
 * For pages and Workers that are handed functions of these programs: tsx marks functions with
 * their names, by a function that is missing there.
 */
export const NAMES = "globalThis.__name = (it) => it;";
