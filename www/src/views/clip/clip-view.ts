/** A clip, looked at frame by frame: its caption, or answers about it. */

import {
  type AttentionMap,
  type CaptionStream,
  type GenerateOptions,
  type Session,
  type TokenPiece,
  timedFramesOf,
} from "flamingo-web";
import { html, nothing } from "lit";
import { ExampleSource } from "../../board/example-source.js";
import { type Fault, faultOf } from "../../errors.js";
import { present } from "../../invariant.js";
import { closeCamera, openCamera } from "../../media/camera.js";
import { shareOfFrame } from "../../media/draw-attention.js";
import { encodeFrame } from "../../media/encode-frame.js";
import { ACCEPT, type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import { TextWriter } from "../../model/text-writer.js";
import { waitingFor } from "../../model/waiting.js";
import { faultMessage } from "../../parts/fault-message.js";
import { fileButton } from "../../parts/file-button.js";
import { icon } from "../../parts/icon.js";
import { takeFiles } from "../../parts/take-files.js";
import { questionField, writeControls } from "../../parts/write-controls.js";
import { LOOKING, type TokenEvent } from "../../parts/written-text.js";
import { ViewElement } from "../view-element.js";
import { clipFilesOf, type PlacedFile, placed } from "./clip-files.js";
import { droppedFiles } from "./dropped-files.js";
import { record } from "./record.js";
import { clipTime, MAX_FRAMES, picturePlaces, type Sampling } from "./sampling.js";
import "../../board/example-board.js";
import "../../media/medium-picture.js";
import "../../parts/written-text.js";
import "./clip.css";

/** Longest recording, in seconds. */
const LONGEST_RECORDING = 10;

/** Frames a second that one can choose. */
const RATES = [0.5, 1, 2, 4] as const;

/** A clip's frame, and where in it that is: its time, or the name of its file. */
interface PlacedFrame {
  readonly place: string;
  readonly picture: Medium;
}

/** What a clip was given as, and what was found in it. */
interface Clip {
  readonly name: string;
  /** The address of a video on this page, or pictures. */
  readonly source: string | readonly File[];
  readonly frames: readonly PlacedFrame[];
}

/** A text as it was asked for. */
type Asked = (
  signal: AbortSignal,
  options: Pick<GenerateOptions, "alternatives" | "attention">,
) => Promise<CaptionStream>;

type Recording = { readonly stop: AbortController; readonly seconds: number };

export class ClipView extends ViewElement {
  readonly #source = new ExampleSource("clip", () => this.requestUpdate());
  readonly #session = new ExampleSession();
  readonly #writer = new TextWriter(() => this.requestUpdate());
  #sampling: Sampling = { kind: "count", count: 8 };
  #clip: Clip | undefined;
  /** Frames as the model takes them: the same as long as they are. */
  #medium: Medium | undefined;
  /** Where the model looked for the token that was tapped. */
  #attention: AttentionMap | undefined;
  /** Where it looked for each token of the text, once one was tapped. */
  #maps: { readonly of: Asked; readonly maps: Promise<readonly AttentionMap[]> } | undefined;
  #asked: Asked | undefined;
  #tapped: TokenPiece | undefined;
  #mapping = new AbortController();
  #question = "";
  #looking = new AbortController();
  #isLooking = false;
  #recording: Recording | undefined;
  #over = false;
  #fault: Fault | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#recording?.stop.abort();
    this.#forgetMaps();
  }

  override render() {
    return html`
      <header class="view-head">
        <h1>A clip, seen as a whole</h1>
        <p>Frames are taken over its length, and the model looks at all of them together.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="clip-title">
          <h2 id="clip-title">Your clip</h2>
          ${this.#place()} ${this.#sources()} ${this.#samplingFields()} ${this.#frames()}
          ${this.#source.board.asks ? this.#questionField() : nothing} ${this.#controls()}
          <written-text
            .writing=${this.#writer.writing}
            .name=${this.#source.board.asks ? "Answer" : "Caption"}
            @token=${({ detail }: TokenEvent) => void this.#tap(detail)}
          ></written-text>
        </section>
        <section class="card" aria-label="Examples">
          <example-board .source=${this.#source} .holder=${this.holder}></example-board>
        </section>
      </div>
    `;
  }

  #place() {
    if (this.#recording !== undefined) {
      return html`<video class="camera-picture" autoplay muted playsinline aria-label="What the camera sees"></video>`;
    }
    const clip = this.#clip;
    return html`
      ${
        typeof clip?.source !== "string"
          ? nothing
          : html`<video class="clip-video" controls muted playsinline src=${clip.source} aria-label=${`The clip, ${clip.name}`}></video>`
      }
      <label
        class=${this.#over ? "drop over" : "drop"}
        @dragover=${(event: DragEvent) => this.#drag(event, true)}
        @dragleave=${(event: DragEvent) => this.#drag(event, false)}
        @drop=${this.#drop}
      >
        <input
          class="visually-hidden"
          type="file"
          accept=${ACCEPT}
          multiple
          aria-label=${clip === undefined ? "Choose a video, or pictures" : `Choose another video than ${clip.name}, or pictures`}
          @change=${this.#choose}
        />
        <span class=${clip === undefined ? "invitation" : "invitation small"}>
          ${clip === undefined ? icon("clip") : nothing}
          <strong>${clip === undefined ? "Choose a video" : "Choose another"}</strong>
          <span>or drop one, or the pictures of one</span>
        </span>
      </label>
    `;
  }

  #sources() {
    const recording = this.#recording;
    return html`
      <div class="sources">
        ${
          recording === undefined
            ? html`<button type="button" class="quiet" @click=${this.#record}>
                  ${icon("camera")}Record
                </button>
                ${fileButton("Folder of frames", { folder: true }, (files) => void this.#take(placed(files)))}`
            : html`<button type="button" class="quiet" @click=${() => recording.stop.abort()}>
                Stop recording
              </button>`
        }
        <span class="hint" role="status">${this.#status()}</span>
      </div>
      ${this.#fault === undefined ? nothing : faultMessage(this.#fault)}
    `;
  }

  #status(): string {
    if (this.#recording !== undefined) {
      return `Recording: ${this.#recording.seconds} of ${LONGEST_RECORDING} s`;
    }
    return this.#isLooking ? "Taking the frames …" : "";
  }

  #samplingFields() {
    const { kind } = this.#sampling;
    return html`
      <div class="row sampling">
        <fieldset class="segments">
          <legend class="visually-hidden">Frames are taken</legend>
          ${(["count", "rate"] as const).map(
            (each) => html`
              <label>
                <input
                  class="visually-hidden"
                  type="radio"
                  name="sampling"
                  .checked=${each === kind}
                  @change=${() =>
                    this.#sample(
                      each === "count" ? { kind: each, count: 8 } : { kind: each, rate: 1 },
                    )}
                />
                <span>${each === "count" ? "By number" : "By rate"}</span>
              </label>
            `,
          )}
        </fieldset>
        ${this.#sampling.kind === "count" ? this.#countField(this.#sampling) : this.#rateField(this.#sampling)}
      </div>
    `;
  }

  #countField({ count }: Extract<Sampling, { kind: "count" }>) {
    return html`
      <label class="row">
        <input
          type="number"
          min="1"
          max=${MAX_FRAMES}
          step="1"
          .value=${`${count}`}
          @change=${({ currentTarget }: Event) => {
            const { valueAsNumber } = currentTarget as HTMLInputElement;
            const frames = Number.isFinite(valueAsNumber) ? Math.round(valueAsNumber) : count;
            this.#sample({ kind: "count", count: Math.min(MAX_FRAMES, Math.max(1, frames)) });
          }}
        />
        frames
      </label>
    `;
  }

  #rateField({ rate }: Extract<Sampling, { kind: "rate" }>) {
    return html`
      <label class="row">
        <select
          @change=${({ currentTarget }: Event) => {
            const { selectedIndex } = currentTarget as HTMLSelectElement;
            const chosen = present(RATES[selectedIndex], "one of the rates is selected");
            this.#sample({ kind: "rate", rate: chosen });
          }}
        >
          ${RATES.map((each) => html`<option ?selected=${each === rate}>${each}</option>`)}
        </select>
        a second, ${MAX_FRAMES} at most
      </label>
    `;
  }

  #frames() {
    if (this.#clip === undefined || this.#clip.frames.length === 0) return nothing;
    const attention = this.#attention;
    return html`
      <ol class="clip-frames" aria-label="Frames">
        ${this.#clip.frames.map(
          ({ place: name, picture }, place) => html`
            <li>
              <medium-picture
                .medium=${picture}
                .alt=${picture.name}
                .attention=${attention}
                .place=${place}
              ></medium-picture>
              <small class="figures">${name}</small>
              ${attention === undefined ? nothing : lookedAt(shareOfFrame(attention, place))}
            </li>
          `,
        )}
      </ol>
      ${this.#lookHint()}
    `;
  }

  #lookHint() {
    if (this.#attention !== undefined) {
      return html`<p class="hint">How much of its look went to each frame.</p>`;
    }
    if (this.#tapped === undefined) return nothing;
    return html`<p class="hint" role="status">Finding where it looked …</p>`;
  }

  #questionField() {
    return questionField("clip", this.#question, (question) => {
      this.#question = question;
      this.requestUpdate();
    });
  }

  #controls() {
    const { asks } = this.#source.board;
    return writeControls(this.#writer, { asks, missing: this.#missing(), write: this.#write });
  }

  /** What has to be there before the button does something; empty where nothing lacks. */
  #missing(): string {
    if (this.#clip === undefined) return "Choose a video or record one first.";
    if (this.#medium === undefined) return this.#isLooking ? "The frames are being taken." : "";
    if (this.#source.board.asks && this.#question.trim() === "") return "Ask a question about it.";
    return this.#source.lack || waitingFor(this.holder.state.loading);
  }

  readonly #write = () => {
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined) return;
    const { asks } = this.#source.board;
    const task = asks ? "visual-question" : "caption";
    const question = asks ? this.#question.trim() : "";
    this.#forgetMaps();
    let session: Session | undefined;
    const asked: Asked = async (signal, options) => {
      // The second time as the first, whatever has become of the examples.
      session ??= this.#session.for(
        model,
        task,
        await this.#source.examplesFor(model, medium, signal),
      );
      return session.ask(sourceOf(medium), question, { signal, ...options });
    };
    this.#asked = asked;
    const { alternatives } = LOOKING;
    void this.#writer.write(model, (signal) => asked(signal, { alternatives }));
  };

  /**
   * Shows where the model looked for a token. The maps of many frames cost more than the text, so it
   * is written a second time with them, when the first of its tokens is tapped.
   */
  async #tap(piece: TokenPiece | undefined): Promise<void> {
    this.#tapped = piece;
    this.#attention = undefined;
    this.requestUpdate();
    const { writing } = this.#writer;
    const asked = this.#asked;
    if (piece === undefined || asked === undefined || !("pieces" in writing)) return;
    if (this.#maps?.of !== asked) {
      this.#maps = { of: asked, maps: mapsOf(asked, this.#mapping.signal) };
    }
    try {
      const map = (await this.#maps.maps)[writing.pieces.indexOf(piece)];
      if (this.#tapped !== piece) return;
      this.#attention = map;
      if (map === undefined) this.#tapped = undefined;
    } catch (error) {
      if (this.#tapped !== piece) return;
      this.#tapped = undefined;
      // The next tap tries again.
      this.#maps = undefined;
      this.#fault = faultOf(error);
    }
    this.requestUpdate();
  }

  #forgetMaps(): void {
    this.#mapping.abort();
    this.#mapping = new AbortController();
    this.#maps = undefined;
    this.#asked = undefined;
    this.#tapped = undefined;
    this.#attention = undefined;
  }

  readonly #choose = (event: Event) => void this.#take(placed(takeFiles(event)));

  #drag(event: DragEvent, over: boolean): void {
    event.preventDefault();
    this.#over = over;
    this.requestUpdate();
  }

  readonly #drop = (event: DragEvent) => {
    this.#drag(event, false);
    void this.#take(droppedFiles(event.dataTransfer));
  };

  async #take(given: readonly PlacedFile[] | Promise<readonly PlacedFile[]>): Promise<void> {
    this.#fault = undefined;
    try {
      const files = await given;
      if (files.length === 0) return;
      const clip = await clipFilesOf(files);
      this.#forget();
      this.#clip =
        clip.kind === "video"
          ? { name: clip.file.name, source: URL.createObjectURL(clip.file), frames: [] }
          : { name: clip.name, source: clip.files, frames: [] };
    } catch (error) {
      this.#fault = faultOf(error);
      this.requestUpdate();
      return;
    }
    await this.#look();
  }

  #forget(): void {
    const { source } = this.#clip ?? {};
    if (typeof source === "string") URL.revokeObjectURL(source);
    this.#clip = undefined;
  }

  #sample(sampling: Sampling): void {
    this.#sampling = sampling;
    this.requestUpdate();
    if (this.#clip !== undefined) void this.#look();
  }

  /** Takes the frames of the clip, in place of those that were taken before. */
  async #look(): Promise<void> {
    const clip = this.#clip;
    if (clip === undefined) return;
    this.#looking.abort();
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    this.#writer.clear();
    this.#forgetMaps();
    this.#medium = undefined;
    this.#fault = undefined;
    this.#isLooking = true;
    this.requestUpdate();
    try {
      const frames =
        typeof clip.source === "string"
          ? await timedFrames(clip.source, this.#sampling, signal)
          : chosenFrames(clip.source, this.#sampling);
      if (signal.aborted) return;
      this.#clip = { ...clip, frames };
      this.#medium = { name: clip.name, frames: frames.flatMap(({ picture }) => picture.frames) };
    } catch (error) {
      if (signal.aborted) return;
      this.#forget();
      this.#fault = faultOf(error);
    }
    this.#isLooking = false;
    this.requestUpdate();
  }

  readonly #record = async () => {
    this.#fault = undefined;
    let stream: MediaStream | undefined;
    let timer: ReturnType<typeof setInterval> | undefined;
    try {
      stream = await openCamera({ facing: "environment" });
      const stop = new AbortController();
      this.#recording = { stop, seconds: 0 };
      this.requestUpdate();
      await this.updateComplete;
      const video = this.querySelector("video");
      if (video !== null) video.srcObject = stream;
      timer = setInterval(() => this.#tick(), 1000);
      const file = await record(stream, stop.signal);
      this.#recording = undefined;
      await this.#take(placed([file]));
    } catch (error) {
      this.#recording = undefined;
      this.#fault = faultOf(error);
    } finally {
      clearInterval(timer);
      if (stream !== undefined) closeCamera(stream);
      this.requestUpdate();
    }
  };

  #tick(): void {
    if (this.#recording === undefined) return;
    const { stop, seconds } = this.#recording;
    this.#recording = { stop, seconds: seconds + 1 };
    if (seconds + 1 >= LONGEST_RECORDING) stop.abort();
    this.requestUpdate();
  }
}

/** How much of its look the model gave one frame, 0 to 1. */
const lookedAt = (share: number) => html`
  <small class="figures looked">
    <meter max="1" value=${share} aria-label="Share of its look"></meter>
    ${Math.round(share * 100)}%
  </small>
`;

/** The frames of the video at an address of this page, as pictures. */
async function timedFrames(
  url: string,
  sampling: Sampling,
  signal: AbortSignal,
): Promise<PlacedFrame[]> {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = url;
  try {
    const frames = await timedFramesOf(video, {
      signal,
      ...(sampling.kind === "count"
        ? { count: sampling.count }
        : { rate: sampling.rate, most: MAX_FRAMES }),
    });
    return await Promise.all(
      frames.map(async ({ image, seconds }) => {
        const place = clipTime(seconds);
        const picture = await encodeFrame(image);
        return { place, picture: { name: `Frame at ${place}`, frames: [picture] } };
      }),
    );
  } finally {
    video.removeAttribute("src");
  }
}

/** Pictures that were given as the frames of a clip, as they are. */
function chosenFrames(files: readonly File[], sampling: Sampling): PlacedFrame[] {
  return picturePlaces(sampling, files.length).flatMap((place) => {
    const file = files[place];
    if (file === undefined) return [];
    return [{ place: file.name, picture: { name: file.name, frames: [file] } }];
  });
}

/** Where the model looked for each token of a text, which is written anew for that. */
async function mapsOf(asked: Asked, signal: AbortSignal): Promise<AttentionMap[]> {
  const maps: AttentionMap[] = [];
  for await (const { attention } of await asked(signal, { attention: true })) {
    if (attention !== undefined) maps.push(attention);
  }
  return maps;
}

customElements.define("clip-view", ClipView);
