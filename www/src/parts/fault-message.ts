import { html } from "lit";
import type { Fault } from "../errors.js";

/** What went wrong and what to do, in words. */
export const faultMessage = ({ code, message }: Fault) => html`
  <p class="error" role="alert" data-code=${code}>${message}</p>
`;
