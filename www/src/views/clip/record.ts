import { MediaError } from "../../errors.js";

/** Records what a camera sees until `signal` fires. The file is of the kind that this browser writes. */
export async function record(stream: MediaStream, signal: AbortSignal): Promise<File> {
  if (typeof MediaRecorder === "undefined") {
    throw new MediaError("This browser records no video. Take a video file instead.");
  }
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  return new Promise((resolve, reject) => {
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onerror = () => {
      reject(new MediaError("The recording broke off. Try again, or take a video file instead."));
    };
    recorder.onstop = () => resolve(new File(parts, "recording", { type: recorder.mimeType }));
    const stop = () => {
      // A camera that is taken away stops the recorder by itself.
      if (recorder.state !== "inactive") recorder.stop();
    };
    recorder.start();
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
