/** Names of files, as people have them. */

/** The name at the end of an address; one with a `%` that stands for itself is one too. */
export function nameAt(address: string): string {
  const { protocol, pathname, host } = new URL(address);
  // An address that holds the file has no name for it.
  if (protocol === "data:") return "picture";
  const name = pathname.slice(pathname.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name) || host;
  } catch {
    return name;
  }
}

/** Files that systems leave in folders, and in archives of them; nobody put them there. */
export function isLeftBySystem(path: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  return (
    parts.some((part) => part.startsWith(".") || part === "__MACOSX") ||
    /^(thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r)$/i.test(name)
  );
}

const NATURAL = new Intl.Collator("en", { numeric: true });

/** Compares names as people count: `frame2` comes before `frame10`. */
export const byNumber = (a: string, b: string): number =>
  NATURAL.compare(a, b) || (a < b ? -1 : Number(a > b));
