/** The part of the browser's Trusted Types that this page uses; TypeScript's DOM has none of it. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): unknown;
}

/**
 * Lets the page start Workers from its own origin, and turns nothing else into a script. The policy
 * named `default` is the one browsers ask where a plain text is given; so packages that know
 * nothing of Trusted Types can start their Workers.
 */
export function allowOwnScripts(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  trustedTypes?.createPolicy("default", {
    createScriptURL: (url) => {
      const { origin, href } = new URL(url, document.baseURI);
      if (origin === location.origin) return href;
      throw new TypeError(`${href} is no script of this page`);
    },
  });
}
