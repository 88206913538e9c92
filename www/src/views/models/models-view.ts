/** The models of this browser, others by address or from the disk, and the device they run on. */

import {
  type CachedModel,
  Flamingo,
  folderOf,
  type ModelFolder,
  type ModelInfo,
} from "flamingo-web";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type Fault, faultOf } from "../../errors.js";
import { megabytes } from "../../format.js";
import { addressForm } from "../../parts/address-form.js";
import { faultMessage } from "../../parts/fault-message.js";
import { icon } from "../../parts/icon.js";
import { takeFiles } from "../../parts/take-files.js";
import { DEFAULT_MODEL, rememberModel } from "../../settings.js";
import { ViewElement } from "../view-element.js";
import {
  browserLines,
  modelLines,
  type ReportFacts,
  type ReportLine,
  reportText,
} from "./device-report.js";
import { gatherFacts } from "./gather-facts.js";
import { needsOf, promptOf, refusalOf, surroundings } from "./model-facts.js";
import "./models.css";

/** A model that can be used without giving its address. */
interface KnownModel {
  readonly info: ModelInfo;
  /** The absolute address of its `model.json`; none of a folder from the disk. */
  readonly url: string | undefined;
  /** Bytes of it that the browser keeps. */
  readonly keptBytes: number;
}

export class ModelsView extends ViewElement {
  /** Those that are kept, and the default one; undefined until they are known. */
  #listed: readonly KnownModel[] | undefined;
  /** Whether all rows of the list have come: what lies below comes behind them, so that it need not move. */
  #whole = false;
  #facts: ReportFacts | undefined;
  /** What the list and the report were made from. */
  #seen: unknown;
  /** Of a model that was given. */
  #fault: Fault | undefined;
  /** Of one that was to be removed. */
  #removing: Fault | undefined;
  /** What a screen reader is told of the last step. */
  #said = "";
  #copied = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#refresh();
  }

  protected override willUpdate(): void {
    const { loading, info } = this.holder.state;
    const known = info !== undefined || loading.phase !== "starting";
    if (this.#listed !== undefined && known) this.#whole = true;
    const seen = loading.phase === "ready" ? loading.model : loading.phase;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#refresh();
  }

  override render() {
    return html`
      <header class="view-head">
        <h1>Models</h1>
        <p>What was downloaded is kept in this browser: the next visit needs no network.</p>
      </header>
      <div class="workbench" data-whole=${this.#whole}>
        <div class="aside">
          <section class="card" aria-labelledby="models-title">
            <h2 id="models-title">At hand</h2>
            <ul class="models">
              ${repeat(
                this.#models(),
                ({ url }) => url,
                (model) => this.#model(model),
              )}
            </ul>
            ${this.#removing === undefined ? nothing : faultMessage(this.#removing)}
            <p class="visually-hidden" role="status">${this.#said}</p>
          </section>
          ${this.#whole ? this.#others() : nothing}
        </div>
        ${this.#whole ? this.#device() : nothing}
      </div>
    `;
  }

  #device() {
    return html`
      <section class="card" aria-labelledby="device-title">
        <div class="board-head">
          <h2 id="device-title">This device</h2>
          <button type="button" class="quiet" ?disabled=${this.#facts === undefined} @click=${this.#copy}>
            ${icon("copy")}${this.#copied ? "Copied" : "Copy for a report"}
          </button>
        </div>
        ${this.#facts === undefined ? nothing : reportView(this.#facts)}
      </section>
    `;
  }

  #model({ info, url, keptBytes }: KnownModel) {
    const current = this.#isCurrent(url);
    const prompt = promptOf(info);
    return html`
      <li class="model" data-current=${current}>
        <div>
          <h3>
            ${info.name}
            ${
              info.family === undefined
                ? nothing
                : html`<span class="badge-text family">${info.family}</span>`
            }
          </h3>
          <p class="model-address">${url ?? "from the disk"}</p>
          <p class="hint">
            ${info.licence} · ${megabytes(info.totalBytes)} · ${megabytes(info.memoryBytes, 0)} of
            memory · ${needsOf(info, surroundings())} ·
            <span class="kept">${keptText(info, keptBytes)}</span>
          </p>
          ${prompt === undefined ? nothing : html`<p class="hint">Asked as <code>${prompt}</code></p>`}
        </div>
        <div class="row">
          ${
            current
              ? html`<span class="badge-text">In use</span>`
              : html`<button
                  type="button"
                  class="quiet"
                  aria-label=${`Use ${info.name}`}
                  @click=${() => url !== undefined && this.#use(url)}
                >
                  Use
                </button>`
          }
          ${
            url === undefined || keptBytes === 0
              ? nothing
              : html`<button
                  type="button"
                  class="quiet"
                  aria-label=${`Remove what is kept of ${info.name}`}
                  @click=${() => this.#remove(url, info.name)}
                >
                  Remove
                </button>`
          }
        </div>
      </li>
    `;
  }

  #others() {
    return html`
      <section class="card" aria-labelledby="other-title">
        <h2 id="other-title">Another model</h2>
        ${addressForm({
          label: "Address of a model.json",
          placeholder: "https://…/model.json",
          button: "Load",
          hint: "Its server is asked for the model and told nothing else.",
          onAddress: this.#fetch,
        })}
        <label class="drop folder">
          <input
            class="visually-hidden"
            type="file"
            webkitdirectory
            aria-label="Choose a model's folder from the disk"
            @change=${this.#choose}
          />
          <span class="invitation small">
            <strong>Choose a folder</strong>
            <span>with model.json and its shards, as <code>flamingo convert</code> writes it</span>
          </span>
        </label>
        ${this.#fault === undefined ? nothing : faultMessage(this.#fault)}
      </section>
    `;
  }

  /** Those listed, and the one in use where it is none of them. */
  #models(): readonly KnownModel[] {
    if (this.#listed === undefined) return [];
    const { source, info } = this.holder.state;
    const url = typeof source === "string" ? absolute(source) : undefined;
    if (info === undefined || this.#listed.some((model) => model.url === url)) return this.#listed;
    return [...this.#listed, { info, url, keptBytes: 0 }];
  }

  #isCurrent(url: string | undefined): boolean {
    const { source } = this.holder.state;
    return url === (typeof source === "string" ? absolute(source) : undefined);
  }

  #refresh(): void {
    void this.#list();
    void gatherFacts(this.holder.state).then((facts) => {
      this.#facts = facts;
      this.#copied = false;
      this.requestUpdate();
    });
  }

  async #list(): Promise<void> {
    const kept: readonly CachedModel[] = await Flamingo.cached().catch(() => []);
    const models: KnownModel[] = kept.map(({ url, bytes, ...info }) => ({
      info,
      url,
      keptBytes: bytes,
    }));
    const usual = absolute(DEFAULT_MODEL);
    if (!models.some(({ url }) => url === usual)) {
      // A site may have been published without it.
      const info = await Flamingo.inspect(usual).catch(() => undefined);
      if (info !== undefined) models.unshift({ info, url: usual, keptBytes: 0 });
    }
    this.#listed = models;
    this.requestUpdate();
  }

  #use(url: string): void {
    this.#fault = undefined;
    rememberModel(relative(url));
    this.holder.chooseModel(url);
  }

  async #remove(url: string, name: string): Promise<void> {
    this.#removing = undefined;
    this.requestUpdate();
    try {
      await Flamingo.remove(url);
      this.#said = `What was kept of ${name} is removed`;
    } catch (error) {
      this.#removing = faultOf(error);
    }
    await this.#list();
  }

  /** Fails where there is no model that fits here, before the one in use is given up for it. */
  async #check(source: string | ModelFolder): Promise<void> {
    const info = await Flamingo.inspect(source);
    const refusal = refusalOf(info, this.holder.state.preference, surroundings());
    if (refusal !== undefined) throw refusal;
  }

  readonly #fetch = async (address: string, form: HTMLFormElement) => {
    const url = absolute(address);
    this.#fault = undefined;
    try {
      await this.#check(url);
      this.#use(url);
      form.reset();
    } catch (error) {
      this.#fault = faultOf(error);
    }
    this.requestUpdate();
  };

  readonly #choose = async (event: Event) => {
    const files = takeFiles(event);
    this.#fault = undefined;
    try {
      const folder = folderOf(files);
      await this.#check(folder);
      this.holder.chooseModel(folder);
    } catch (error) {
      this.#fault = faultOf(error);
    }
    this.requestUpdate();
  };

  readonly #copy = async () => {
    if (this.#facts === undefined) return;
    await navigator.clipboard.writeText(reportText(this.#facts));
    this.#copied = true;
    this.#said = "The report is in the clipboard";
    this.requestUpdate();
  };
}

const reportView = (facts: ReportFacts) => html`
  ${listView(modelLines(facts))}
  <details class="offered">
    <summary>What the browser offers</summary>
    ${listView(browserLines(facts))}
  </details>
`;

const listView = (lines: readonly ReportLine[]) => html`
  <dl class="device-report">
    ${lines.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>
`;

function keptText({ totalBytes }: ModelInfo, bytes: number): string {
  if (bytes === 0) return "not kept";
  return bytes < totalBytes ? `${megabytes(bytes)} of it kept` : "kept for offline use";
}

/** An address as it is kept: without a fragment and, where it is that of a folder, with the file. */
function absolute(url: string): string {
  const address = new URL(url, document.baseURI);
  address.hash = "";
  if (address.pathname.endsWith("/")) address.pathname += "model.json";
  return address.href;
}

/** An address of this page's own server, seen from the page; another one as it is. */
function relative(url: string): string {
  const folder = new URL(".", document.baseURI).href;
  return url.startsWith(folder) ? url.slice(folder.length) : url;
}

customElements.define("models-view", ModelsView);
