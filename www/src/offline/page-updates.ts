/** The page's own files: whether they are kept for visits without a network, and new versions of them. */

import type { PageMessage } from "./page-message.js";

/** What there is to say. */
export type UpdateState =
  /** Nothing: there is no newer version. */
  | "none"
  /** A newer version is kept and waits for the user. */
  | "waiting"
  /** It was asked to take over and cannot: the page is open in other tabs. */
  | "other-tabs";

/** The key under which a tab remembers that it was reloaded to be isolated. */
const RELOADED = "reloaded-for-isolation";

/**
 * Has the service worker installed, and tells of newer versions. They never take over by themselves:
 * whoever is at work is not interrupted.
 */
export class PageUpdates {
  readonly #scope: string;
  readonly #listeners = new Set<() => void>();
  #state: UpdateState = "none";
  #registration: ServiceWorkerRegistration | undefined;
  readonly #kept = new Set<string>();
  #leaving = false;

  /** `scope` is the folder of the page, where the service worker lies. */
  constructor(scope: string) {
    this.#scope = scope;
  }

  get state(): UpdateState {
    return this.#state;
  }

  /** Calls `listener` after every change of the state. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Where the browser has no service workers, or refuses them here, the page needs its network. */
  async start(): Promise<void> {
    const container: ServiceWorkerContainer | undefined = navigator.serviceWorker;
    if (container === undefined) return;
    container.addEventListener("controllerchange", () => this.#controlled());
    try {
      const registration = await container.register(new URL("service-worker.js", this.#scope));
      this.#follow(registration);
      this.#registration = registration;
    } catch {
      return;
    }
    document.addEventListener("visibilitychange", () => {
      // A tab may stay open for weeks. Without a network there is no newer version.
      if (document.visibilityState === "visible") this.#registration?.update().catch(() => {});
    });
  }

  /**
   * Has the files at these addresses kept, which the visit has used and will need again without a
   * network: the first visit begins before there is a service worker to ask for them.
   */
  async keep(urls: readonly string[]): Promise<void> {
    const keep = urls.filter((url) => !this.#kept.has(url));
    if (keep.length === 0) return;
    for (const url of keep) this.#kept.add(url);
    const message: PageMessage = { keep };
    (await navigator.serviceWorker?.ready)?.active?.postMessage(message);
  }

  /** Puts the newer version in place of this one and reloads, unless other tabs are open. */
  async takeOver(): Promise<void> {
    const { waiting } = this.#registration ?? {};
    if (!waiting) return;
    const { port1, port2 } = new MessageChannel();
    const alone = new Promise<boolean>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data === true);
    });
    this.#leaving = true;
    const message: PageMessage = "take-over";
    waiting.postMessage(message, [port2]);
    if (await alone) return;
    this.#leaving = false;
    this.#update("other-tabs");
  }

  /** Leaves the newer version for the next visit. */
  dismiss(): void {
    this.#update("none");
  }

  #follow(registration: ServiceWorkerRegistration): void {
    const see = () => {
      // The first version of all waits for nobody.
      if (registration.waiting && registration.active) this.#update("waiting");
    };
    see();
    registration.addEventListener("updatefound", () => {
      const { installing } = registration;
      installing?.addEventListener("statechange", () => {
        if (installing.state === "installed") see();
      });
    });
  }

  #controlled(): void {
    if (this.#leaving || this.#mayIsolate()) location.reload();
  }

  /**
   * Whether a reload isolates the page and disturbs nobody: its server sends no headers, the service
   * worker now does, and the user has not touched anything yet. Once a tab, for the case that it does
   * not help.
   */
  #mayIsolate(): boolean {
    if (crossOriginIsolated || navigator.userActivation?.hasBeenActive !== false) return false;
    try {
      if (sessionStorage.getItem(RELOADED) !== null) return false;
      sessionStorage.setItem(RELOADED, "");
      return true;
    } catch {
      // Without a memory it might go on for ever.
      return false;
    }
  }

  #update(state: UpdateState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
