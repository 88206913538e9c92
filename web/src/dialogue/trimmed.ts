/** A text in pieces, without white space around it. */

/** Gives the pieces without what is white at the beginning and at the end of the whole. */
export async function* trimmed(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  // Whether it is the end, only what follows tells.
  let white: string | undefined;
  for await (const piece of pieces) {
    const text = (white ?? "") + piece;
    const bare = text.trimEnd();
    if (bare === "") {
      if (white !== undefined) white = text;
      continue;
    }
    yield white === undefined ? bare.trimStart() : bare;
    white = text.slice(bare.length);
  }
}
