import { html, type TemplateResult } from "lit";

/** What an address is asked for with. */
export interface AddressFormOptions {
  /** What it is the address of, for screen readers. */
  readonly label: string;
  readonly placeholder: string;
  /** What the button does. */
  readonly button: string;
  /** What the server behind the address is told. */
  readonly hint: string;
  /** Called with what was given, and the form it was given in. */
  readonly onAddress: (address: string, form: HTMLFormElement) => void;
}

/** A field for an address on another server. */
export const addressForm = (options: AddressFormOptions): TemplateResult => html`
  <form
    class="address"
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      const form = event.currentTarget as HTMLFormElement;
      options.onAddress(String(new FormData(form).get("address")), form);
    }}
  >
    <input
      type="url"
      name="address"
      required
      aria-label=${options.label}
      placeholder=${options.placeholder}
    />
    <button type="submit">${options.button}</button>
    <p class="hint">${options.hint}</p>
  </form>
`;
