import { html } from "lit";
import type { AttentionMap } from "../media/attention-map.js";
import type { MediaEvent } from "../media/media-input.js";
import type { Medium } from "../media/medium.js";
import "../media/media-input.js";

/** The place of the photo or clip that a view is about. */
export const queryMedium = (
  medium: Medium | undefined,
  attention: AttentionMap | undefined,
  onMedium: (medium: Medium) => void,
) => html`
  <media-input
    .label=${medium === undefined ? "Choose a photo" : `Choose another photo than ${medium.name}`}
    .medium=${medium}
    .attention=${attention}
    @media=${({ detail: [medium] }: MediaEvent) => {
      if (medium !== undefined) onMedium(medium);
    }}
  ></media-input>
`;
