/** Workers whose script may be of another origin than the page. */

/**
 * Starts a module as a Worker. A page of another origin, or of none as in a sandboxed frame, may
 * not start the script, but may start one of its own that imports it. Messages wait until the
 * import has ended.
 *
 * `own` starts a script of the page's own origin, in the very words that bundlers look for.
 */
export function startWorker(script: URL, name: string, own: () => Worker): Worker {
  if (script.origin === globalThis.origin) return own();
  const source = `import ${JSON.stringify(script.href)};`;
  const type = "text/javascript";
  // A blob is of the page's origin, and so is what the Worker may keep. A page of no origin has
  // none to give, and keeps nothing.
  const address =
    globalThis.origin === "null"
      ? `data:${type},${encodeURIComponent(source)}`
      : URL.createObjectURL(new Blob([source], { type }));
  return new Worker(address, { type: "module", name });
}
