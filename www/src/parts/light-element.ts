import { LitElement } from "lit";

/**
 * An element without a shadow tree: the page's style sheets reach into it, and labels, descriptions
 * and the order of headings go across it.
 */
export abstract class LightElement extends LitElement {
  protected override createRenderRoot(): this {
    return this;
  }
}
