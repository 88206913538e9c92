/** What can go wrong on the page itself, beside the model's own errors. */

/** A code to tell causes apart, and a message that says what to do: the model's errors have the same. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** Longest message, in letters: whatever was given to be told of, it is read by people. */
const LONGEST_MESSAGE = 800;

/** A text that is told, without its middle where it is long: an address may hold a whole picture. */
export function brief(text: string, longest = 160): string {
  const letters = text.length > longest ? [...text.slice(0, longest), ...text.slice(-longest)] : [];
  const half = longest >> 1;
  return letters.length === 0
    ? text
    : `${letters.slice(0, half).join("")} … ${letters.slice(-half).join("")}`;
}

/** Everything the page throws on purpose. */
export abstract class PageError extends Error implements Fault {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(brief(message, LONGEST_MESSAGE), options);
  }
}

/** No picture could be had from what the user gave. */
export class MediaError extends PageError {
  readonly code = "media";
}

/** The camera gives no picture. */
export class CameraError extends PageError {
  constructor(
    readonly code:
      | "no-camera"
      | "camera-refused"
      | "camera-not-allowed"
      | "camera-busy"
      | "camera-unsupported",
    options?: ErrorOptions,
  ) {
    super(CAMERA_REMEDIES[code], options);
  }
}

const CAMERA_REMEDIES = {
  "no-camera": "There is no camera. Connect one, or take a file instead.",
  "camera-refused":
    "The page may not use the camera. Allow it in the address bar's site settings, then try again.",
  "camera-not-allowed":
    'The page may not use the camera in the frame that shows it. Give the <iframe> the attribute allow="camera", or open the page by itself; then allow the camera in its site settings.',
  "camera-busy": "Another program uses the camera. Close it there, then try again.",
  "camera-unsupported":
    "This browser gives pages no camera here; it does so over https and on localhost only.",
} as const;

/** Any error as one that can be shown. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return { code: error.code, message: error.message };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return { code: "internal", message: `Something unexpected went wrong: ${brief(reason)}` };
}
