/** Who downloads a model and who removes it are kept apart, whichever tabs of the origin they are in. */

import { ModelInUseError } from "./errors.js";
import { withoutQuery } from "./model-address.js";

/** Milliseconds to wait for a download to end: a Worker that was stopped is not gone at once. */
const PATIENCE_MS = 1000;

/** Downloads the model at `url`. Others may do so at the same time; what removes it may not. */
export async function whileDownloading<T>(url: string, work: () => Promise<T>): Promise<T> {
  const locks = await lockManager();
  return locks === undefined ? work() : locks.request(nameOf(url), { mode: "shared" }, work);
}

/**
 * Does something to what is kept of the model at `url`, which no download may disturb.
 *
 * @throws a {@link ModelInUseError} where one is under way.
 */
export async function withoutDownload(url: string, work: () => Promise<void>): Promise<void> {
  const locks = await lockManager();
  if (locks === undefined) return work();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let begun = false;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    await locks.request(nameOf(url), { signal }, begin);
  } catch (error) {
    throw begun ? error : new ModelInUseError({ url }, { cause: error });
  }
}

/** The browser's locks. A page of no origin, as in a sandboxed frame, has none, and keeps nothing either. */
async function lockManager(): Promise<LockManager | undefined> {
  const locks: LockManager | undefined = globalThis.navigator?.locks;
  return locks?.query().then(
    () => locks,
    () => undefined,
  );
}

/** Kept files lie together whatever the query is. */
const nameOf = (url: string) => `flamingo-web download of ${withoutQuery(url)}`;
