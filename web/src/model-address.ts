/** Addresses of models and of their files, joined as addresses and never as text. */

import { brief, InvalidOptionError } from "./errors.js";

/** `hf:owner/name@revision`, and the folder of the model where that is not the repository's first. */
const ON_HUB = /^hf:([\w.-]+\/[\w.-]+)@([^/?#]+)(\/[^?#]*)?$/;

/**
 * The absolute address of a `model.json`, seen from `base`. A fragment names nothing on a server; an
 * address that ends in a slash is that of the folder.
 *
 * `hf:owner/name@revision` is a repository of the Hugging Face Hub. The revision, a commit or the name
 * of a branch or tag, is part of the address, so that each is kept by itself; a slash in it is written
 * `%2F`. `hf:owner/name@revision/folder` is a model further down.
 *
 * @throws an {@link InvalidOptionError} where it is no address.
 */
export function manifestAddress(source: string | URL, base?: string): string {
  let url: URL;
  try {
    url = new URL(`${source}`.startsWith("hf:") ? addressOnHub(`${source}`) : source, base);
  } catch (cause) {
    if (cause instanceof InvalidOptionError) throw cause;
    throw new InvalidOptionError(
      { reason: `"${brief(`${source}`)}" is no address; give that of a model.json` },
      { cause },
    );
  }
  url.hash = "";
  if (url.pathname.endsWith("/")) url.pathname += "model.json";
  return url.href;
}

function addressOnHub(source: string): string {
  const [, name, revision, folder = ""] = ON_HUB.exec(source) ?? [];
  if (name === undefined) {
    throw new InvalidOptionError({
      reason: `"${brief(source)}" names no model of the hub; write hf:owner/name@revision`,
    });
  }
  return `https://huggingface.co/${name}/resolve/${revision}${folder.replace(/\/*$/, "/")}`;
}

/**
 * Where a file beside a `model.json` may lie, the likeliest first: beside each of the addresses that
 * the manifest has. Their queries go along, because a server may let nobody in without.
 */
export function addressesBeside(file: string, manifests: readonly string[]): string[] {
  const addresses = manifests.map((manifest) => {
    const url = new URL(file, manifest);
    url.search = new URL(manifest).search;
    return url.href;
  });
  return [...new Set(addresses)];
}

/** The place on a server that an address names, whatever is asked of it. */
export const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, "");

/**
 * Fields of a query that let someone in, or past a cache, and change from one visit to the next:
 * tokens, signatures and their ends, as people and the large stores of files name them.
 */
const PASSING =
  /^((\w+[-_])?token|auth|jwt|sig|signature|hdnt[sa]|policy|key-pair-id|expir(y|es?|ation)|x-(amz|goog|oss)-.+|s[te]|sk[te]|_|cb|ts)$/i;

/**
 * An address as far as it names a model. Nobody can tell what an unknown field of a query means, so
 * it counts: better one model kept twice than another one in its place.
 */
export function identityOf(url: string): string {
  const fields = [...new URL(url).searchParams].filter(([name]) => !PASSING.test(name));
  const query = new URLSearchParams(fields);
  query.sort();
  return `${withoutQuery(url)}?${query}`.replace(/\?$/, "");
}
