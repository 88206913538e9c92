/** What the camera sees, captioned as it goes on. */

import type { Caption, Flamingo } from "flamingo-web";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type Example, lackOf, type NewExample } from "../../board/board.js";
import { ExampleSource } from "../../board/example-source.js";
import { CameraError, type Fault, faultOf } from "../../errors.js";
import { duration } from "../../format.js";
import { present } from "../../invariant.js";
import { type CameraChoice, closeCamera, listCameras, openCamera } from "../../media/camera.js";
import { encodeFrame } from "../../media/encode-frame.js";
import { frameOf, pngOf, thumbnailOf } from "../../media/video-frame.js";
import { ExampleSession } from "../../model/example-session.js";
import { waitingFor } from "../../model/waiting.js";
import { faultMessage } from "../../parts/fault-message.js";
import { icon } from "../../parts/icon.js";
import { saveFile } from "../../parts/save-file.js";
import { ViewElement } from "../view-element.js";
import type { Budget } from "./budget.js";
import { greyOf } from "./change-detector.js";
import { heldUntil, historyJson, type LiveCaption, webVtt, withCaption } from "./history.js";
import { captionLive, type LiveEvent } from "./live-captioner.js";
import { RateMeter } from "./rate-meter.js";
import "../../board/example-board.js";
import "../../media/medium-picture.js";
import "./live.css";

/** Why a setting of the lists below is there. */
const CHOSEN = "one of the list is selected";

/** Why there is a first start. */
const STARTED = "captions come once the camera has started";

/** The budgets one can choose, with their names. */
const BUDGETS = [
  ["Up to 6 captions a minute", { kind: "rate", perMinute: 6 }],
  ["Up to 20 captions a minute", { kind: "rate", perMinute: 20 }],
  ["Up to 60 captions a minute", { kind: "rate", perMinute: 60 }],
  ["A quarter of the time", { kind: "share", share: 0.25 }],
  ["Half of the time", { kind: "share", share: 0.5 }],
  ["As fast as it goes", { kind: "share", share: 1 }],
] as const satisfies readonly (readonly [name: string, budget: Budget])[];
const HALF_OF_THE_TIME = 4;

/** How much has to change, with its name. */
const THRESHOLDS = [
  ["anything moves", 2],
  ["the picture changes clearly", 6],
  ["the scene changes", 20],
] as const satisfies readonly (readonly [name: string, threshold: number])[];
const CLEARLY = 1;

/** Pixels in which frames are compared: noise is gone there, what matters is not. */
const COMPARED = { width: 32, height: 24 };

/** Pixels of the longer side of a frame in the history. */
const THUMBNAIL = 192;

/** Captions of the history on show; the files have all. */
const SHOWN = 50;

type Phase =
  | { readonly name: "off" | "opening" | "running" }
  /** The tab cannot be seen; it goes on when it can. */
  | { readonly name: "hidden" }
  | { readonly name: "failed"; readonly fault: Fault };

export class LiveView extends ViewElement {
  /** The same board as that of captions. */
  readonly #source = new ExampleSource("caption", () => this.requestUpdate());
  readonly #session = new ExampleSession();
  /** The model that the camera's frames are given to. */
  #model: Flamingo | undefined;
  #phase: Phase = { name: "off" };
  #run = new AbortController();
  #choice: CameraChoice = { facing: "environment" };
  #cameras: readonly MediaDeviceInfo[] = [];
  #budget = HALF_OF_THE_TIME;
  #threshold = CLEARLY;
  /** What is asked about each frame, where the examples ask. */
  #question = "";
  /** The caption that is being written. */
  #text = "";
  #history: readonly LiveCaption[] = [];
  /** The frame of the newest caption. */
  #frame: ImageData | undefined;
  #meter = new RateMeter(0);
  /** Milliseconds from the newest frame to the end of its caption. */
  #tookMs = 0;
  #skipped = 0;
  #started: { readonly date: Date; readonly ms: number } | undefined;
  #complete: { readonly of: readonly Example[]; readonly examples: readonly Example[] } = {
    of: [],
    examples: [],
  };

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.#visibility);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#stop();
  }

  protected override willUpdate(): void {
    const { model } = this.holder;
    if (model === this.#model) return;
    this.#model = model;
    // One that is gone answers no more; the user starts again with the next one.
    if (isOn(this.#phase)) this.#stop();
  }

  override render() {
    return html`
      <header class="view-head">
        <h1>The camera, in words</h1>
        <p>A caption whenever something new is seen. No picture of it leaves this tab.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="camera-title">
          <h2 id="camera-title">Camera</h2>
          ${this.#picture()} ${this.#source.board.asks ? this.#questionField() : nothing}
          ${this.#controls()} ${this.#caption()} ${this.#settings()}
        </section>
        <div class="aside">
          <section class="card" aria-labelledby="history-title">${this.#past()}</section>
          <section class="card" aria-label="Examples">
            <example-board .source=${this.#source} .holder=${this.holder}></example-board>
          </section>
        </div>
      </div>
    `;
  }

  #picture() {
    const on = isOn(this.#phase);
    return html`
      <div class="live-picture">
        <video
          class="camera-picture"
          ?hidden=${!on}
          autoplay
          muted
          playsinline
          aria-label="What the camera sees"
        ></video>
        ${on ? nothing : this.#invitation()}
      </div>
    `;
  }

  #invitation() {
    if (this.#phase.name === "failed") {
      return html`<div class="live-empty">${icon("camera")}${faultMessage(this.#phase.fault)}</div>`;
    }
    return html`
      <div class="live-empty">
        ${icon("live")}
        <p>
          ${
            this.#phase.name === "hidden"
              ? "Paused while this tab cannot be seen."
              : "The camera is off. The browser asks before it goes on."
          }
        </p>
      </div>
    `;
  }

  #controls() {
    const { name } = this.#phase;
    const on = name !== "off" && name !== "failed";
    const waiting = this.#missing();
    return html`
      <div class="row" data-live=${name}>
        ${
          on
            ? html`<button type="button" @click=${() => this.#stop()}>Stop</button>`
            : html`<button type="button" ?disabled=${waiting !== ""} @click=${() => this.#start()}>
                ${name === "failed" ? "Try again" : "Start"}
              </button>`
        }
        ${
          this.#cameras.length > 1
            ? html`<button type="button" class="quiet" @click=${this.#flip}>${icon("flip")}Flip</button>`
            : nothing
        }
        <p class="hint" role="status">${on ? this.#status() : waiting}</p>
      </div>
    `;
  }

  #questionField() {
    return html`
      <input
        type="text"
        aria-label="Question about what the camera sees"
        placeholder="A question about what the camera sees"
        .value=${this.#question}
        @input=${({ currentTarget }: Event) => {
          this.#question = (currentTarget as HTMLInputElement).value;
          this.requestUpdate();
        }}
      />
    `;
  }

  /** What has to be there before the camera can start; empty where nothing lacks. */
  #missing(): string {
    if (this.#source.board.asks && this.#question.trim() === "") return "Ask a question first.";
    return waitingFor(this.holder.state.loading);
  }

  #status(): string {
    if (this.#phase.name === "opening") return "Waiting for the camera …";
    return this.#phase.name === "running" ? "Looking" : "";
  }

  #caption() {
    const last = this.#history.at(-1);
    if (last === undefined && this.#text === "") return nothing;
    return html`
      <p class="live-caption" aria-hidden="true">${this.#text || last?.text}</p>
      <output class="visually-hidden" aria-label="Caption">${last?.text}</output>
      ${this.#figures()}
    `;
  }

  #figures() {
    const now = this.#now();
    const share = this.#meter.share(now);
    return html`
      <dl class="figures">
        <div><dt>Captions a minute</dt><dd data-figure="rate">${this.#meter.perMinute(now).toFixed(1)}</dd></div>
        <div>
          <dt>The model works</dt>
          <dd>
            <meter max="1" value=${share} aria-label="Share of the time"></meter>
            ${Math.round(share * 100)} % of the time
          </dd>
        </div>
        <div><dt>Frames skipped</dt><dd data-figure="skipped">${this.#skipped}</dd></div>
        <div><dt>The newest took</dt><dd>${duration(this.#tookMs)}</dd></div>
      </dl>
    `;
  }

  #settings() {
    const { deviceId } = { deviceId: "", ...this.#choice };
    return html`
      <div class="live-settings">
        <label>
          Budget
          <select @change=${(event: Event) => this.#set({ budget: indexOf(event) })}>
            ${options(
              BUDGETS.map(([name]) => name),
              this.#budget,
            )}
          </select>
        </label>
        <label>
          A caption when
          <select @change=${(event: Event) => this.#set({ threshold: indexOf(event) })}>
            ${options(
              THRESHOLDS.map(([name]) => name),
              this.#threshold,
            )}
          </select>
        </label>
        ${
          this.#cameras.length === 0
            ? nothing
            : html`<label>
                Camera
                <select @change=${this.#pick}>
                  ${repeat(
                    this.#cameras,
                    (camera) => camera.deviceId,
                    (camera, place) => html`
                      <option value=${camera.deviceId} ?selected=${camera.deviceId === deviceId}>
                        ${camera.label || `Camera ${place + 1}`}
                      </option>
                    `,
                  )}
                </select>
              </label>`
        }
      </div>
    `;
  }

  #past() {
    const shown = this.#history.slice(-SHOWN).reverse();
    const empty = shown.length === 0;
    return html`
      <div class="board-head">
        <h2 id="history-title">
          Captions ${empty ? nothing : html`<small>${this.#history.length}</small>`}
        </h2>
      </div>
      ${
        empty
          ? html`<p class="hint">They gather here, with their times, and can be saved as subtitles.</p>`
          : html`
              <ol class="history" aria-label="Captions, the newest first" tabindex="0">
                ${repeat(shown, ({ fromMs }) => fromMs, historyLine)}
              </ol>
              <div class="row">
                <button type="button" class="quiet" @click=${this.#saveVtt}>WebVTT</button>
                <button type="button" class="quiet" @click=${this.#saveJson}>JSON</button>
                <button type="button" class="quiet" @click=${this.#saveFrame}>Newest frame</button>
                <button type="button" class="quiet" @click=${this.#clear}>Clear</button>
              </div>
            `
      }
    `;
  }

  async #start(): Promise<void> {
    const { model } = this.holder;
    if (model === undefined) return;
    this.#run.abort();
    this.#run = new AbortController();
    const { signal } = this.#run;
    this.#set({ phase: { name: "opening" } });
    let stream: MediaStream | undefined;
    try {
      stream = await openCamera(this.#choice);
      if (signal.aborted) return;
      const video = await this.#show(stream);
      const cameras = await listCameras();
      if (signal.aborted) return;
      this.#cameras = cameras;
      this.#started ??= { date: new Date(), ms: performance.now() };
      this.#meter = new RateMeter(this.#now());
      this.#set({ phase: { name: "running" } });
      const gone = taken(stream);
      const loop = captionLive(
        {
          frame: () => {
            const { width, height } = COMPARED;
            return { image: frameOf(video), grey: greyOf(thumbnailOf(video, width, height).data) };
          },
          caption: (image) => this.#write(model, image, signal),
          rest: (milliseconds) => rest(milliseconds, signal),
          now: () => this.#now(),
        },
        () => ({
          budget: present(BUDGETS[this.#budget], CHOSEN)[1],
          threshold: present(THRESHOLDS[this.#threshold], CHOSEN)[1],
        }),
        (event) => void this.#see(event, signal),
      );
      await Promise.race([loop, gone]);
    } catch (error) {
      if (!signal.aborted) this.#end({ name: "failed", fault: faultOf(error) });
    } finally {
      if (stream !== undefined) closeCamera(stream);
    }
  }

  async #show(stream: MediaStream): Promise<HTMLVideoElement> {
    await this.updateComplete;
    const video = this.querySelector("video");
    if (video === null) throw new TypeError("the view shows no video");
    video.srcObject = stream;
    await video.play();
    return video;
  }

  async #write(model: Flamingo, image: ImageData, signal: AbortSignal): Promise<Caption> {
    const { asks } = this.#source.board;
    const examples = await this.#examplesFor(model, image, signal);
    const session = this.#session.for(model, asks ? "visual-question" : "caption", examples);
    const stream = session.ask(image, asks ? this.#question.trim() : "", { signal });
    this.#text = "";
    for await (const { text } of stream) {
      this.#text += text;
      this.requestUpdate();
    }
    return stream.result;
  }

  async #see(event: LiveEvent<ImageData>, signal: AbortSignal): Promise<void> {
    if (event.kind === "skipped") {
      this.#skipped += 1;
      this.#history = heldUntil(this.#history, event.atMs);
      this.requestUpdate();
      return;
    }
    const { image, caption, atMs, endMs } = event;
    this.#meter.add(atMs, endMs);
    const thumbnail = await encodeFrame(image, THUMBNAIL);
    if (signal.aborted) return;
    const { text, tokenIds } = caption;
    this.#frame = image;
    this.#history = withCaption(this.#history, {
      fromMs: atMs,
      toMs: endMs,
      text,
      tokenIds,
      thumbnail: { name: text, frames: [thumbnail] },
    });
    this.#tookMs = endMs - atMs;
    this.#text = "";
    this.requestUpdate();
  }

  /** Examples that lack nothing: one that is just being written does not stop the camera. */
  async #examplesFor(
    model: Flamingo,
    image: ImageData,
    signal: AbortSignal,
  ): Promise<readonly NewExample[]> {
    if (this.#source.folder !== undefined) {
      const frame = { name: "frame", frames: [await encodeFrame(image)] };
      return this.#source.examplesFor(model, frame, signal);
    }
    const { asks, examples } = this.#source.board;
    if (this.#complete.of !== examples) {
      const complete = examples.filter((example) => lackOf({ asks, examples: [example] }) === "");
      this.#complete = { of: examples, examples: complete };
    }
    return this.#complete.examples;
  }

  #stop(): void {
    this.#end({ name: "off" });
  }

  #end(phase: Phase): void {
    this.#run.abort();
    this.#text = "";
    if (this.#phase.name === "running") this.#history = heldUntil(this.#history, this.#now());
    this.#set({ phase });
  }

  readonly #visibility = () => {
    const hidden = document.visibilityState === "hidden";
    if (hidden && isOn(this.#phase)) {
      this.#end({ name: "hidden" });
    } else if (!hidden && this.#phase.name === "hidden") {
      void this.#start();
    }
  };

  readonly #flip = () => {
    const facing = "facing" in this.#choice && this.#choice.facing === "environment";
    this.#look({ facing: facing ? "user" : "environment" });
  };

  readonly #pick = ({ currentTarget }: Event) => {
    this.#look({ deviceId: (currentTarget as HTMLSelectElement).value });
  };

  #look(choice: CameraChoice): void {
    this.#choice = choice;
    if (isOn(this.#phase)) void this.#start();
    else this.requestUpdate();
  }

  #set({ phase = this.#phase, budget = this.#budget, threshold = this.#threshold }): void {
    this.#phase = phase;
    this.#budget = budget;
    this.#threshold = threshold;
    this.requestUpdate();
  }

  /** Milliseconds since the first start. */
  #now(): number {
    return performance.now() - present(this.#started, STARTED).ms;
  }

  readonly #saveVtt = () => {
    saveFile("captions.vtt", new Blob([webVtt(this.#history)], { type: "text/vtt" }));
  };

  readonly #saveJson = () => {
    const { name } = this.holder.state.info ?? { name: "" };
    const json = historyJson(this.#history, name, present(this.#started, STARTED).date);
    saveFile("captions.json", new Blob([json], { type: "application/json" }));
  };

  readonly #saveFrame = async () => {
    if (this.#frame !== undefined) saveFile("frame.png", await pngOf(this.#frame));
  };

  readonly #clear = () => {
    this.#history = [];
    this.#frame = undefined;
    this.#skipped = 0;
    this.requestUpdate();
  };
}

/** Whether the camera is on, or about to be. */
const isOn = ({ name }: Phase) => name === "opening" || name === "running";

const historyLine = ({ fromMs, text, tokenIds, thumbnail }: LiveCaption) => html`
  <li data-token-ids=${tokenIds.join(" ")}>
    <medium-picture .medium=${thumbnail} .alt=${""}></medium-picture>
    <p>${text}</p>
    <small class="figures">${clock(fromMs)}</small>
  </li>
`;

const options = (names: readonly string[], chosen: number) =>
  names.map(
    (name, place) => html`<option value=${place} ?selected=${place === chosen}>${name}</option>`,
  );

const indexOf = ({ currentTarget }: Event) => (currentTarget as HTMLSelectElement).selectedIndex;

/** Minutes and seconds. */
function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, "0")}`;
}

/** Rejects when the camera is taken away. */
function taken(stream: MediaStream): Promise<never> {
  return new Promise((_, reject) => {
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => reject(new CameraError("no-camera")));
    }
  });
}

function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

customElements.define("live-view", LiveView);
