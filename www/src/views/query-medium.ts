import type { AttentionMap } from "flamingo-web";
import { html } from "lit";
import { fetchPicture, SAMPLES } from "../board/sets/sets.js";
import { present } from "../invariant.js";
import type { MediaEvent } from "../media/media-input.js";
import type { Medium } from "../media/medium.js";
import "../media/media-input.js";

let sampled = 0;

const nextSample = () => {
  const name = present(SAMPLES[sampled % SAMPLES.length], "there are samples");
  sampled += 1;
  return fetchPicture(name);
};

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
    .sample=${nextSample}
    @media=${({ detail: [medium] }: MediaEvent) => {
      if (medium !== undefined) onMedium(medium);
    }}
  ></media-input>
`;
