import type { FlamingoError } from "flamingo-web";
import { html } from "lit";

/** What went wrong and what to do, in words. */
export const errorMessage = (error: FlamingoError) => html`
  <p class="error" role="alert" data-code=${error.code}>${error.message}</p>
`;
