import type { Plugin } from "vite";

/**
 * What the page and its Workers may do: run and load what lies beside them, show pictures the user
 * chose, compile WebAssembly, and fetch from addresses that the user gives. Nothing inline, no
 * script and no style from elsewhere.
 */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self' https:",
  "img-src 'self' blob:",
  "media-src blob:",
  "style-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/**
 * What only the page is held to: no text becomes markup or the address of a script, but through the
 * two policies named here, Lit's and the one in `src/trusted-types.ts`. Workers get no markup.
 */
const TRUSTED_TYPES = `require-trusted-types-for 'script'; trusted-types lit-html default`;

/**
 * Writes the policy into the built page, so that it holds on any static host.
 * Vite's development server is left out: it injects its styles inline.
 */
export function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: {
          "http-equiv": "Content-Security-Policy",
          content: `${POLICY}; ${TRUSTED_TYPES}`,
        },
        injectTo: "head-prepend",
      },
    ],
  };
}
