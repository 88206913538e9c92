/** Web pages where files were expected: what a server sends for what it has not, or before a login. */

/**
 * Whether a body that is not what it should be is a web page. Servers give files of every kind the
 * type of a page, and pages the type of a file, so the type counts only where the bytes agree.
 */
export function isWebPage(head: Uint8Array, { headers }: Response): boolean {
  const text = new TextDecoder().decode(head).trimStart();
  const typed = headers.get("content-type")?.startsWith("text/html") ?? false;
  return (
    /^<(!doctype html|html|head|body|title|meta|script|!--)/i.test(text) ||
    (typed && /^(<|$)/.test(text))
  );
}
