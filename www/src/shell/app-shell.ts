/** What all views share: name, navigation, the model's status, and the place of the view itself. */

import { html, nothing } from "lit";
import { type Fault, faultOf } from "../errors.js";
import type { ModelHolder } from "../model/model-holder.js";
import type { PageUpdates } from "../offline/page-updates.js";
import { faultMessage } from "../parts/fault-message.js";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { VIEWS, type View, viewAt } from "../views/registry.js";
import type { ViewElement } from "../views/view-element.js";
import { modelBar } from "./model-bar.js";
import { updateNotice } from "./update-notice.js";

export class AppShell extends LightElement {
  readonly #holder: ModelHolder;
  readonly #updates: PageUpdates;
  readonly #views = new Map<View, ViewElement>();
  #current: View = viewAt(location.hash);
  #failed: Fault | undefined;
  readonly #follow = () => void this.#go(viewAt(location.hash));

  constructor(holder: ModelHolder, updates: PageUpdates) {
    super();
    this.#holder = holder;
    this.#updates = updates;
    updates.subscribe(() => this.requestUpdate());
    holder.subscribe(() => this.requestUpdate());
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("hashchange", this.#follow);
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("hashchange", this.#follow);
  }

  override render() {
    const { info } = this.#holder.state;
    return html`
      <a class="skip" href="#view" @click=${this.#skip}>Skip to the content</a>
      <header class="masthead">
        <p class="brand">
          <img src="./flamingo.svg" alt="" width="40" height="40" />
          <span>Flamingo</span>
        </p>
        <nav aria-label="Views">
          <ul>${VIEWS.map((view) => this.#link(view))}</ul>
        </nav>
      </header>
      ${updateNotice(this.#updates)} ${modelBar(this.#holder)}
      <main id="view" tabindex="-1">${this.#view()}</main>
      <footer>
        <p>No photo leaves this page: the model runs here, and nothing is sent anywhere.</p>
        ${info && html`<p>Model: ${info.name} (${info.licence})</p>`}
      </footer>
    `;
  }

  #link(view: View) {
    return html`
      <li>
        <a href="#/${view.path}" aria-current=${view === this.#current ? "page" : nothing}>
          ${icon(view.icon)}<span>${view.title}</span>
        </a>
      </li>
    `;
  }

  #view() {
    if (this.#failed === undefined) {
      return this.#views.get(this.#current) ?? html`<p class="waiting">One moment …</p>`;
    }
    return html`
      ${faultMessage(this.#failed)}
      <button type="button" class="quiet" @click=${this.#follow}>Try again</button>
    `;
  }

  async #go(view: View): Promise<void> {
    this.#current = view;
    this.#failed = undefined;
    document.title = `${view.title} – Flamingo`;
    this.requestUpdate();
    if (this.#views.has(view)) return;
    try {
      const ViewClass = await view.load();
      if (!this.#views.has(view)) this.#views.set(view, new ViewClass(this.#holder));
    } catch (error) {
      if (view === this.#current) this.#failed = faultOf(error);
    }
    this.requestUpdate();
  }

  /** The fragment is the navigation's; the focus moves without it. */
  #skip(event: Event): void {
    event.preventDefault();
    document.getElementById("view")?.focus();
  }
}

customElements.define("app-shell", AppShell);
