/** The page's one object: holds what was measured, starts and stops the measurement, draws. */

import { FlamingoError, InternalError } from "flamingo-web";
import { html, nothing, render } from "lit";
import { saveFile } from "../parts/save-file.js";
import { DEVICES } from "../settings.js";
import { COLUMNS, figures, toJson } from "./columns.js";
import { measure, type Progress, type Report, type Row } from "./measure.js";
import { type Plan, readPlan } from "./plan.js";
import { PALETTE, plot, type Series } from "./plot.js";

type Phase =
  | { readonly name: "waiting" }
  | { readonly name: "measuring"; readonly progress: Progress }
  | { readonly name: "stopped" | "done" }
  | { readonly name: "failed"; readonly error: FlamingoError };

const DEVICE_NAMES = { auto: "Auto", webgpu: "WebGPU", cpu: "CPU" };

export class BenchPage {
  readonly #root: HTMLElement;
  #plan: Plan;
  #phase: Phase = { name: "waiting" };
  #report: Report | undefined;
  #stop = new AbortController();

  constructor(root: HTMLElement, plan: Plan) {
    this.#root = root;
    this.#plan = plan;
    this.#draw();
  }

  async #start(form: HTMLFormElement): Promise<void> {
    const fields = new FormData(form);
    fields.set("model", this.#plan.model);
    this.#plan = readPlan(fields);
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#report = undefined;
    this.#enter({ name: "measuring", progress: { doing: "Starting", share: 0 } });
    try {
      await measure(this.#plan, {
        signal,
        progress: (progress) => this.#enter({ name: "measuring", progress }),
        report: (report) => {
          this.#report = report;
          this.#draw();
        },
      });
      this.#enter({ name: "done" });
    } catch (error) {
      if (signal.aborted) this.#enter({ name: "stopped" });
      else this.#enter({ name: "failed", error: typed(error) });
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#draw();
  }

  #save(report: Report): void {
    const content = new Blob([toJson(this.#plan, report)], { type: "application/json" });
    saveFile(`flamingo-bench-${report.device.kind}.json`, content);
  }

  #draw(): void {
    render(this.#page(), this.#root);
  }

  #page() {
    return html`
      <header class="masthead">
        <div>
          <h1>Benchmark</h1>
          <p>How fast the model loads, sees, reads and writes in this browser. Nothing leaves the tab.</p>
        </div>
        <a href="./">To the captions</a>
      </header>
      <main>
        ${this.#form()}
        <div class="status" data-phase=${this.#phase.name}>${this.#status()}</div>
        ${this.#report === undefined ? nothing : this.#results(this.#report)}
      </main>
    `;
  }

  #form() {
    const { device, int8Activations, shots, lengths, repeats } = this.#plan;
    const running = this.#phase.name === "measuring";
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      if (running) this.#stop.abort();
      else void this.#start(event.currentTarget as HTMLFormElement);
    };
    const number = (name: string, label: string, value: string) => html`
      <label>${label} <input name=${name} .value=${value} inputmode="numeric" autocomplete="off" ?disabled=${running} /></label>
    `;
    return html`
      <form class="card plan" @submit=${submit}>
        <label>
          Device
          <select name="device" ?disabled=${running}>
            ${DEVICES.map(
              (name) =>
                html`<option value=${name} ?selected=${name === device}>${DEVICE_NAMES[name]}</option>`,
            )}
          </select>
        </label>
        ${number("shots", "Numbers of examples", shots.join(", "))}
        ${number("lengths", "Tokens of a caption", lengths.join(", "))}
        ${number("repeats", "Rounds", `${repeats}`)}
        <label class="check">
          <input type="checkbox" name="int8" .checked=${int8Activations} ?disabled=${running} />
          Activations as bytes (CPU)
        </label>
        <button>${running ? "Stop" : "Measure"}</button>
      </form>
    `;
  }

  #status() {
    switch (this.#phase.name) {
      case "waiting":
        return html`<p class="hint">
          Medians of the rounds. Each measures captions of new pictures behind examples, once when
          the examples are new and once when they are known; the numbers of examples take turns.
        </p>`;
      case "measuring": {
        const { doing, share } = this.#phase.progress;
        return html`<label class="download">
          <span>${doing} …</span><progress max="1" value=${share}></progress>
        </label>`;
      }
      case "failed":
        return html`<p class="error" role="alert" data-code=${this.#phase.error.code}>
          ${this.#phase.error.message}
        </p>`;
      case "stopped":
        return html`<p role="status">Stopped. What was measured until then stays.</p>`;
      case "done":
        return html`<p role="status">Measured.</p>`;
    }
  }

  #results(report: Report) {
    return html`
      <section class="card results">
        <p class="device" data-device=${report.device.kind}>${report.device.reason}</p>
        <dl class="figures">
          ${figures(report).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
        </dl>
        <div class="scroll" tabindex="0" role="region" aria-label="Captions">
          <table>
            <thead>
              <tr>${COLUMNS.map(([head]) => html`<th scope="col">${head}</th>`)}</tr>
            </thead>
            <tbody>
              ${report.rows.map(
                (row) =>
                  html`<tr>${COLUMNS.map(([, cell]) => html`<td>${cell(row, report)}</td>`)}</tr>`,
              )}
            </tbody>
          </table>
        </div>
        <button type="button" class="quiet" @click=${() => this.#save(report)}>Save as JSON</button>
      </section>
      ${plots(report)}
    `;
  }
}

/** What an example costs where it is new and where it is known, and how fast captions are written. */
function plots({ rows }: Report) {
  const [{ newTokens: shortest = 0 } = {}] = rows;
  const oneLength = rows.filter(({ newTokens }) => newTokens === shortest);
  const lengths = [...new Set(rows.map(({ newTokens }) => newTokens))];
  const reading: Series[] = [
    {
      name: "new examples",
      points: oneLength.map(({ shots, coldPrefillMs }) => ({ x: shots, y: coldPrefillMs })),
    },
    {
      name: "known examples",
      points: oneLength.map(({ shots, warmFirstTokenMs }) => ({ x: shots, y: warmFirstTokenMs })),
    },
  ];
  const perShot: Series = {
    name: "new examples",
    points: oneLength.flatMap(({ shots, prefillMsPerShot }) =>
      prefillMsPerShot === undefined ? [] : { x: shots, y: prefillMsPerShot },
    ),
  };
  const byLength = (y: (row: Row) => number): Series[] =>
    lengths.map((length) => ({
      name: `${length} tokens`,
      points: rows
        .filter(({ newTokens }) => newTokens === length)
        .map((row) => ({ x: row.shots, y: y(row) })),
    }));
  return html`
    <section class="plots">
      ${figure("Milliseconds to the first token", reading)}
      ${figure("Milliseconds of prefill per example", [perShot])}
      ${figure(
        "Milliseconds of a caption, known examples",
        byLength((row) => row.warmCaptionMs),
      )}
      ${figure(
        "Tokens per second",
        byLength((row) => row.decodeTokensPerSecond),
      )}
    </section>
  `;
}

const figure = (title: string, series: readonly Series[]) => html`
  <figure class="card">
    <figcaption>${title}</figcaption>
    ${plot(title, "examples", series)}
    <ul class="legend">
      ${series.map(({ name }, i) => html`<li class="series-${i % PALETTE}">${name}</li>`)}
    </ul>
  </figure>
`;

function typed(error: unknown): FlamingoError {
  return error instanceof FlamingoError
    ? error
    : new InternalError({ reason: String(error) }, { cause: error });
}
