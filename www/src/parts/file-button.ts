import { html, nothing } from "lit";
import { takeFiles } from "./take-files.js";

/** A button that asks for a file, or for a folder with all its files. */
export const fileButton = (
  name: string,
  { accept = "", folder = false },
  onFiles: (files: readonly File[]) => void,
) => html`
  <label class="file-button">
    <input
      class="visually-hidden"
      type="file"
      accept=${accept === "" ? nothing : accept}
      ?webkitdirectory=${folder}
      @change=${(event: Event) => {
        const files = takeFiles(event);
        if (files.length > 0) onFiles(files);
      }}
    />
    <span class="file-name">${name}</span>
  </label>
`;
