/**
 * Keeps the files of the page, so that it opens without a network, and sends them with the headers
 * that a static host may not be able to set. Models are not its business: `flamingo-web` keeps their
 * shards itself, and what is not on the list below goes to the network as if there were no worker.
 */

import { addPlugins, type PrecacheEntry, precacheAndRoute } from "workbox-precaching";
import { withPageHeaders } from "./page-headers.js";

declare const self: ServiceWorkerGlobalScope;

/** Every file of the page, put here by the build. */
declare const PRECACHE: PrecacheEntry[];

addPlugins([{ handlerWillRespond: async ({ response }) => withPageHeaders(response) }]);
precacheAndRoute(PRECACHE, {
  // What follows the question mark is the page's business, not the server's.
  ignoreURLParametersMatching: [/./],
  cleanURLs: false,
});

// The first version takes over at once, so that whoever goes offline during the first visit loses
// nothing. Later versions wait until they are asked to.
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// A version that takes over removes the files of the one before, so it does not while another tab
// works with them. The answer says whether it does.
self.addEventListener("message", (event) => {
  if (event.data === "take-over") event.waitUntil(takeOver(event.ports[0]));
});

async function takeOver(answer: MessagePort | undefined): Promise<void> {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const alone = pages.filter(({ url }) => url.startsWith(self.registration.scope)).length <= 1;
  answer?.postMessage(alone);
  if (alone) await self.skipWaiting();
}
