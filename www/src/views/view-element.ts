import type { ModelHolder } from "../model/model-holder.js";
import { LightElement } from "../parts/light-element.js";

/**
 * One view of the page. The shell makes it when it is first gone to and keeps it: on the way to
 * another view it is only taken out of the document. It is drawn anew whenever the model's state
 * changes.
 */
export abstract class ViewElement extends LightElement {
  readonly holder: ModelHolder;
  #unsubscribe: () => void = () => {};

  constructor(holder: ModelHolder) {
    super();
    this.holder = holder;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = this.holder.subscribe(() => this.requestUpdate());
    // It may have changed while the view was away.
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe();
  }
}
