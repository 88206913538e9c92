/** The cameras of the device. */

import { CameraError } from "../errors.js";

/** Which camera: one by its id, or the one that looks at or away from the user. */
export type CameraChoice =
  | { readonly deviceId: string }
  | { readonly facing: "user" | "environment" };

/**
 * Opens a camera; the browser asks the user the first time.
 *
 * @throws a {@link CameraError} where there is none, or where it cannot be used.
 */
export async function openCamera(choice: CameraChoice): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) throw new CameraError("camera-unsupported");
  const video =
    "deviceId" in choice
      ? { deviceId: { exact: choice.deviceId } }
      : { facingMode: { ideal: choice.facing } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video });
  } catch (cause) {
    throw new CameraError(causeOf(cause), { cause });
  }
}

/** The cameras there are; their names are known once one was opened. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind }) => kind === "videoinput");
}

/** Lets go of the camera; its light goes out. */
export function closeCamera(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function causeOf(cause: unknown): CameraError["code"] {
  const { name } = cause instanceof DOMException ? cause : { name: "" };
  if (name === "NotAllowedError" || name === "SecurityError") {
    return isAllowed() ? "camera-refused" : "camera-not-allowed";
  }
  return name === "NotFoundError" || name === "OverconstrainedError" ? "no-camera" : "camera-busy";
}

/** The policy of the document, by either of its names; not every browser tells it. */
interface PolicyDocument {
  readonly permissionsPolicy?: { allowsFeature(name: string): boolean };
  readonly featurePolicy?: { allowsFeature(name: string): boolean };
}

/** Whether whoever shows this page lets it ask for a camera; in a frame that is not so unless it is known. */
function isAllowed(): boolean {
  const { permissionsPolicy, featurePolicy } = document as PolicyDocument;
  return (permissionsPolicy ?? featurePolicy)?.allowsFeature("camera") ?? window.parent === window;
}
