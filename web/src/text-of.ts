/** Texts from files that people wrote, with whatever program. */

/**
 * The text of bytes in UTF-8, with or without the mark that some editors put in front.
 *
 * @throws what `fail` makes of the reason where they are in another encoding.
 */
export function textOf(
  bytes: Uint8Array,
  fail: (reason: string, cause?: unknown) => Error,
): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw fail("it is written in UTF-16; save it as UTF-8");
  }
  // Without its mark, a letter of UTF-16 is mostly a letter and a zero.
  if (bytes.includes(0)) throw fail("it has zero bytes, as UTF-16 does; save it as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail("it is not written in UTF-8; save it as UTF-8", cause);
  }
}
