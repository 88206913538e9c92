import { html, nothing } from "lit";
import type { PageUpdates } from "../offline/page-updates.js";

/** That there is a newer version of the page; it waits until the user wants it. */
export const updateNotice = (updates: PageUpdates) =>
  updates.state === "none"
    ? nothing
    : html`
        <aside class="update" aria-label="New version">
          <p role="status">
            ${
              updates.state === "waiting"
                ? "A new version of this page is here. Examples stay; what is being written ends."
                : "This page is open in other tabs too. Close them, and the new version can start."
            }
          </p>
          <div class="row">
            <button type="button" class="quiet" @click=${() => updates.takeOver()}>
              ${updates.state === "waiting" ? "Reload" : "Try again"}
            </button>
            <button type="button" class="quiet" @click=${() => updates.dismiss()}>Later</button>
          </div>
        </aside>
      `;
