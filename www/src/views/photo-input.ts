import { html } from "lit";
import type { Actions, State } from "../state.js";
import { fileDrop } from "./file-drop.js";

/** The place of the photo to be captioned. */
export const photoInput = ({ photo }: State, actions: Actions) =>
  fileDrop({
    id: "photo",
    label: photo === undefined ? "Choose a photo" : `Choose another photo than ${photo.file.name}`,
    multiple: false,
    content:
      photo === undefined
        ? html`
            <span class="invitation">
              <strong>Choose a photo</strong>
              <span>or drop it here, or paste it</span>
              <small>JPEG, PNG or WebP</small>
            </span>
          `
        : html`<img class="photo" src=${photo.url} alt="The chosen photo, ${photo.file.name}" />`,
    onFiles: ([file]) => {
      if (file !== undefined) actions.choosePhoto(file);
    },
  });
