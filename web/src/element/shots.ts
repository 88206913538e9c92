/** Examples as they stand in a page: figures with an image and a caption. */

import { fetchFile } from "../download.js";
import { brief, InvalidOptionError } from "../errors.js";
import type { Shot } from "../types.js";

/**
 * The examples below the first element that `selector` finds in `root`: each `<figure>` is one, its
 * `<img>` the image, its `<figcaption>` the text, its `data-question` the question. They may lie in
 * a `<template>`, where nobody sees them.
 *
 * @throws an {@link InvalidOptionError} where there is nothing of that kind, and what fetching an
 * image throws.
 */
export async function shotsOf(
  root: ParentNode,
  selector: string,
  signal: AbortSignal,
): Promise<Shot[]> {
  const place = placeOf(root, selector);
  const content = place instanceof HTMLTemplateElement ? place.content : place;
  const figures = [...(content?.querySelectorAll("figure") ?? [])];
  if (figures.length === 0) {
    throw new InvalidOptionError({
      reason: `shots="${brief(selector)}" finds no <figure>; give the selector of an element with one for each example`,
    });
  }
  return Promise.all(figures.map((figure) => shotOf(figure, signal)));
}

function placeOf(root: ParentNode, selector: string): Element | null {
  try {
    return root.querySelector(selector);
  } catch {
    // It is no selector, so it finds nothing.
    return null;
  }
}

async function shotOf(figure: Element, signal: AbortSignal): Promise<Shot> {
  const text = figure.querySelector("figcaption")?.textContent?.trim() ?? "";
  const question = figure.getAttribute("data-question") ?? "";
  const src = figure.querySelector("img")?.getAttribute("src");
  if (!src) return { question, text };
  // Inside a template `img.src` is of another document, without an address.
  const image = await fetchFile(new URL(src, document.baseURI).href, signal);
  return { image, question, text };
}
