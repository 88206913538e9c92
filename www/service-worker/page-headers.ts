/** The headers of the page's files. */

import { POLICY } from "../build/content-security-policy.js";

/**
 * Isolation from other origins, which threads in WebAssembly require, and the policy: a document
 * carries it in itself, a Worker takes it from its own response.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** The same response with the headers; where the server has set one, it is replaced. */
export function withPageHeaders(response: Response): Response {
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(response.body, { status, statusText, headers });
}
