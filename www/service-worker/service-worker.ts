/**
 * Keeps the files of the page, so that it opens without a network, and sends them with the headers
 * that a static host may not be able to set. Models are not its business: `flamingo-web` keeps their
 * shards itself, and what is not on the list below goes to the network as if there were no worker.
 */

import { addPlugins, type PrecacheEntry, precacheAndRoute } from "workbox-precaching";
import type { PageMessage } from "../src/offline/page-message.js";
import { KeptModules } from "./kept-modules.js";
import { withPageHeaders } from "./page-headers.js";

declare const self: ServiceWorkerGlobalScope;

/** Every file of the page but the modules, put here by the build. */
declare const PRECACHE: PrecacheEntry[];

/** The WebAssembly modules, likewise. */
declare const MODULES: string[];

addPlugins([{ handlerWillRespond: async ({ response }) => withPageHeaders(response) }]);
precacheAndRoute(PRECACHE, {
  // What follows the question mark is the page's business, not the server's.
  ignoreURLParametersMatching: [/./],
  cleanURLs: false,
});

const { scope } = self.registration;
const modules = new KeptModules(
  MODULES.map((url) => new URL(url, scope).href),
  // Other pages of the origin may have a service worker like this one.
  () => caches.open(`modules ${scope}`),
);

self.addEventListener("fetch", (event) => {
  const { url } = event.request;
  if (modules.has(url)) {
    event.respondWith(modules.answer(url, (kept) => event.waitUntil(kept)));
  }
});

self.addEventListener("install", (event) => event.waitUntil(modules.succeed()));

// The first version takes over at once, so that whoever goes offline during the first visit loses
// nothing. Later versions wait until they are asked to.
self.addEventListener("activate", (event) => {
  event.waitUntil(Promise.all([self.clients.claim(), modules.forgetOthers()]));
});

// A version that takes over removes the files of the one before, so it does not while another tab
// works with them. The answer says whether it does.
self.addEventListener("message", (event) => {
  const message: PageMessage = event.data;
  if (message === "take-over") event.waitUntil(takeOver(event.ports[0]));
  else event.waitUntil(modules.keep(message.keep));
});

async function takeOver(answer: MessagePort | undefined): Promise<void> {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const alone = pages.filter(({ url }) => url.startsWith(self.registration.scope)).length <= 1;
  answer?.postMessage(alone);
  if (alone) await self.skipWaiting();
}
