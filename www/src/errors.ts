/** What can go wrong on the page itself, beside the model's own errors. */

/** A code to tell causes apart, and a message that says what to do: the model's errors have the same. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** Everything the page throws on purpose. */
export abstract class PageError extends Error implements Fault {
  abstract readonly code: string;
}

/** No picture could be had from what the user gave. */
export class MediaError extends PageError {
  readonly code = "media";
}

/** The camera gives no picture. */
export class CameraError extends PageError {
  constructor(
    readonly code: "no-camera" | "camera-refused" | "camera-busy" | "camera-unsupported",
    options?: ErrorOptions,
  ) {
    super(CAMERA_REMEDIES[code], options);
  }
}

const CAMERA_REMEDIES = {
  "no-camera": "There is no camera. Connect one, or take a file instead.",
  "camera-refused":
    "The page may not use the camera. Allow it in the address bar's site settings, then try again.",
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
  return { code: "internal", message: `Something unexpected went wrong: ${reason}` };
}
