/** A clip, looked at frame by frame: its caption, or answers about it. */

import { type AttentionMap, framesOf } from "flamingo-web";
import { html, nothing } from "lit";
import { ExampleSource } from "../../board/example-source.js";
import { type Fault, faultOf } from "../../errors.js";
import { closeCamera, openCamera } from "../../media/camera.js";
import { shareOfFrame } from "../../media/draw-attention.js";
import { encodeFrame } from "../../media/encode-frame.js";
import { filesOf, type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import { TextWriter } from "../../model/text-writer.js";
import { waitingFor } from "../../model/waiting.js";
import { faultMessage } from "../../parts/fault-message.js";
import { icon } from "../../parts/icon.js";
import { takeFiles } from "../../parts/take-files.js";
import { questionField, writeControls } from "../../parts/write-controls.js";
import { LOOKING, type TokenEvent } from "../../parts/written-text.js";
import { ViewElement } from "../view-element.js";
import { record } from "./record.js";
import { clipTime, frameCount, frameTimes, MAX_FRAMES, type Sampling } from "./sampling.js";
import "../../board/example-board.js";
import "../../media/medium-picture.js";
import "../../parts/written-text.js";
import "./clip.css";

/** Longest recording, in seconds. */
const LONGEST_RECORDING = 10;

/** Frames a second that one can choose. */
const RATES = [0.5, 1, 2, 4] as const;

/** A clip's frame with its time. */
interface TimedFrame {
  readonly seconds: number;
  readonly picture: Medium;
}

/** What a clip was given as, and what was found in it. */
interface Clip {
  readonly name: string;
  /** Address of the file on this page. */
  readonly url: string;
  readonly frames: readonly TimedFrame[];
}

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
  #question = "";
  #looking = new AbortController();
  #isLooking = false;
  #recording: Recording | undefined;
  #over = false;
  #fault: Fault | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#recording?.stop.abort();
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
            @token=${({ detail }: TokenEvent) => {
              this.#attention = detail?.attention;
              this.requestUpdate();
            }}
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
        clip === undefined
          ? nothing
          : html`<video class="clip-video" controls muted playsinline src=${clip.url} aria-label=${`The clip, ${clip.name}`}></video>`
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
          accept="video/*"
          aria-label=${clip === undefined ? "Choose a video" : `Choose another video than ${clip.name}`}
          @change=${this.#choose}
        />
        <span class=${clip === undefined ? "invitation" : "invitation small"}>
          ${clip === undefined ? icon("clip") : nothing}
          <strong>${clip === undefined ? "Choose a video" : "Choose another"}</strong>
          <span>or drop one</span>
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
              </button>`
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
            const chosen = RATES[(currentTarget as HTMLSelectElement).selectedIndex] ?? 1;
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
          ({ seconds, picture }, place) => html`
            <li>
              <medium-picture
                .medium=${picture}
                .alt=${picture.name}
                .attention=${attention}
                .place=${place}
              ></medium-picture>
              <small class="figures">${clipTime(seconds)}</small>
              ${attention === undefined ? nothing : lookedAt(shareOfFrame(attention, place))}
            </li>
          `,
        )}
      </ol>
      ${attention === undefined ? nothing : html`<p class="hint">How much of its look went to each frame.</p>`}
    `;
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
    void this.#writer.write(model, async (signal) => {
      const examples = await this.#source.examplesFor(model, medium, signal);
      const session = this.#session.for(model, task, examples);
      return session.ask(sourceOf(medium), question, { signal, ...LOOKING });
    });
  };

  readonly #choose = (event: Event) => this.#take(takeFiles(event));

  #drag(event: DragEvent, over: boolean): void {
    event.preventDefault();
    this.#over = over;
    this.requestUpdate();
  }

  readonly #drop = (event: DragEvent) => {
    this.#drag(event, false);
    this.#take(filesOf(event.dataTransfer));
  };

  #take([file]: readonly File[]): void {
    if (file === undefined) return;
    if (this.#clip !== undefined) URL.revokeObjectURL(this.#clip.url);
    this.#clip = { name: file.name, url: URL.createObjectURL(file), frames: [] };
    void this.#look();
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
    this.#medium = undefined;
    this.#fault = undefined;
    this.#isLooking = true;
    this.requestUpdate();
    try {
      const frames = await timedFrames(clip.url, this.#sampling, signal);
      if (signal.aborted) return;
      this.#clip = { ...clip, frames };
      this.#medium = { name: clip.name, frames: frames.flatMap(({ picture }) => picture.frames) };
    } catch (error) {
      if (signal.aborted) return;
      this.#clip = undefined;
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
      this.#take([file]);
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
): Promise<TimedFrame[]> {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = url;
  try {
    // A look at one frame finds the length too, where the file does not tell it.
    if (sampling.kind === "rate") await framesOf(video, { count: 1, signal });
    const count = frameCount(sampling, video.duration);
    const frames = await framesOf(video, { count, signal });
    const times = frameTimes(count, video.duration);
    return await Promise.all(
      frames.map(async (frame, i) => {
        const seconds = times[i] ?? 0;
        const picture = await encodeFrame(frame);
        return { seconds, picture: { name: `Frame at ${clipTime(seconds)}`, frames: [picture] } };
      }),
    );
  } finally {
    video.removeAttribute("src");
  }
}

customElements.define("clip-view", ClipView);
