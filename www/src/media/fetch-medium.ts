import { MediaError } from "../errors.js";
import { type Medium, mediumOf } from "./medium.js";

/** Fetches the picture or the video at an address that the user gave; nothing else is told to its server. */
export async function fetchMedium(address: string): Promise<Medium> {
  let response: Response;
  try {
    response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (cause) {
    throw new MediaError(
      `${address} could not be fetched. Its server may not let other pages read it (CORS), or the address is wrong; save the picture and choose the file.`,
      { cause },
    );
  }
  if (!response.ok) {
    throw new MediaError(
      `The server answered ${response.status} for ${address}. Check the address.`,
    );
  }
  const blob = await response.blob();
  if (!/^(image|video)\//.test(blob.type)) {
    throw new MediaError(
      `${address} is neither a picture nor a video (${blob.type || "of no type"}). Copy the address of the picture itself.`,
    );
  }
  const { pathname } = new URL(response.url);
  const name = decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1)) || address;
  return mediumOf(new File([blob], name, { type: blob.type }));
}
