import { brief, MediaError } from "../errors.js";
import { kindOf } from "./file-kind.js";
import { nameAt } from "./file-name.js";
import { type Medium, mediumOf } from "./medium.js";

/** Fetches the picture or the video at an address that the user gave; nothing else is told to its server. */
export async function fetchMedium(address: string): Promise<Medium> {
  const shown = brief(address);
  let response: Response;
  try {
    response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (cause) {
    throw new MediaError(
      `${shown} could not be fetched. Its server may not let other pages read it (CORS), or the address is wrong; save the picture and choose the file.`,
      { cause },
    );
  }
  if (!response.ok) {
    throw new MediaError(`The server answered ${response.status} for ${shown}. Check the address.`);
  }
  const blob = await response.blob().catch((cause: unknown) => {
    throw new MediaError(`The connection failed while fetching ${shown}. Try again.`, { cause });
  });
  // Its bytes say what it is. A type may be anything, and speaks where they do not.
  const kind = await kindOf(blob);
  if (kind === undefined && !/^(image|video)\//.test(blob.type)) {
    throw new MediaError(
      `${shown} is neither a picture nor a video (${brief(blob.type) || "of no type"}). Copy the address of the picture itself.`,
    );
  }
  return mediumOf(new File([blob], nameAt(response.url), { type: blob.type }));
}
