/** A dialog with the camera's picture, to take a photo or a short clip of it. */

import { html, nothing } from "lit";
import { type Fault, faultOf } from "../errors.js";
import { faultMessage } from "../parts/fault-message.js";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { closeCamera, listCameras, openCamera } from "./camera.js";
import { encodeFrame } from "./encode-frame.js";
import { CLIP_FRAMES, type Medium } from "./medium.js";

/** Between two frames of a recorded clip. */
const FRAME_INTERVAL_MS = 400;

/** Resolves to what was taken, or to nothing where the user left without. */
export function photograph(): Promise<Medium | undefined> {
  return new Promise((resolve) => {
    const dialog = new CameraDialog();
    dialog.addEventListener(
      "leave",
      () => {
        dialog.remove();
        resolve(dialog.taken);
      },
      { once: true },
    );
    document.body.append(dialog);
  });
}

class CameraDialog extends LightElement {
  taken: Medium | undefined;
  #stream: MediaStream | undefined;
  #facing: "user" | "environment" = "environment";
  #several = false;
  #recorded: Blob[] | undefined;
  #fault: Fault | undefined;

  override firstUpdated(): void {
    this.querySelector("dialog")?.showModal();
    void this.#open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#close();
  }

  override render() {
    const ready = this.#stream !== undefined && this.#recorded === undefined;
    return html`
      <dialog class="camera" aria-label="Camera" @close=${() => this.dispatchEvent(new Event("leave"))}>
        ${
          this.#fault === undefined
            ? html`<video class="camera-picture" autoplay muted playsinline aria-label="What the camera sees"></video>`
            : html`${faultMessage(this.#fault)}
                <button type="button" class="quiet" @click=${() => this.#open()}>Try again</button>`
        }
        <p class="hint" role="status">${this.#status()}</p>
        <div class="row">
          <button type="button" ?disabled=${!ready} @click=${() => this.#take(false)}>Take photo</button>
          <button type="button" class="quiet" ?disabled=${!ready} @click=${() => this.#take(true)}>Record clip</button>
          ${
            this.#several
              ? html`<button type="button" class="quiet" ?disabled=${!ready} @click=${this.#flip}>${icon("flip")}Flip</button>`
              : nothing
          }
          <button type="button" class="quiet" @click=${() => this.querySelector("dialog")?.close()}>Cancel</button>
        </div>
      </dialog>
    `;
  }

  #status(): string {
    if (this.#fault !== undefined) return "";
    if (this.#stream === undefined) return "Waiting for the camera …";
    if (this.#recorded === undefined) return "Nothing leaves this page.";
    return `Recording: ${this.#recorded.length} of ${CLIP_FRAMES} frames`;
  }

  async #open(): Promise<void> {
    this.#close();
    this.#fault = undefined;
    this.requestUpdate();
    try {
      const stream = await openCamera({ facing: this.#facing });
      if (!this.isConnected) {
        closeCamera(stream);
        return;
      }
      this.#stream = stream;
      await this.updateComplete;
      const video = this.#video();
      video.srcObject = stream;
      await video.play();
      this.#several = (await listCameras()).length > 1;
    } catch (error) {
      this.#fault = faultOf(error);
    }
    this.requestUpdate();
  }

  #close(): void {
    if (this.#stream !== undefined) closeCamera(this.#stream);
    this.#stream = undefined;
  }

  readonly #flip = () => {
    this.#facing = this.#facing === "user" ? "environment" : "user";
    void this.#open();
  };

  async #take(clip: boolean): Promise<void> {
    try {
      const frames: Blob[] = [];
      this.#recorded = frames;
      for (let left = clip ? CLIP_FRAMES : 1; left > 0; left--) {
        frames.push(await encodeFrame(this.#video()));
        this.requestUpdate();
        if (left > 1) await new Promise((resolve) => setTimeout(resolve, FRAME_INTERVAL_MS));
        // The user may have left meanwhile.
        if (!this.isConnected) return;
      }
      this.taken = { name: clip ? "clip from the camera" : "photo from the camera", frames };
      this.querySelector("dialog")?.close();
    } catch (error) {
      this.#fault = faultOf(error);
      this.#recorded = undefined;
      this.requestUpdate();
    }
  }

  #video(): HTMLVideoElement {
    const video = this.querySelector("video");
    if (video === null) throw new TypeError("the dialog shows no video");
    return video;
  }
}

customElements.define("camera-dialog", CameraDialog);
