import { html, type TemplateResult } from "lit";
import { ACCEPT, filesOf } from "../photo.js";

/** How one place for pictures differs from another. */
export interface FileDrop {
  readonly id: string;
  /** What a screen reader says of the button. */
  readonly label: string;
  readonly multiple: boolean;
  readonly content: TemplateResult;
  readonly onFiles: (files: File[]) => void;
}

/** A place that takes pictures by click, key or drop. */
export function fileDrop({ id, label, multiple, content, onFiles }: FileDrop) {
  const take = (files: File[]) => {
    if (files.length > 0) onFiles(multiple ? files : files.slice(0, 1));
  };
  const onChange = ({ currentTarget }: Event) => {
    const input = currentTarget as HTMLInputElement;
    take([...(input.files ?? [])]);
    // Choosing the same file again is a choice too.
    input.value = "";
  };
  const mark = (over: boolean) => (event: DragEvent) => {
    event.preventDefault();
    (event.currentTarget as HTMLElement).classList.toggle("over", over);
  };
  const onDrop = (event: DragEvent) => {
    mark(false)(event);
    take(filesOf(event.dataTransfer));
  };
  return html`
    <label class="drop" @dragover=${mark(true)} @dragleave=${mark(false)} @drop=${onDrop}>
      <input
        class="visually-hidden"
        id=${id}
        type="file"
        accept=${ACCEPT}
        aria-label=${label}
        ?multiple=${multiple}
        @change=${onChange}
      />
      ${content}
    </label>
  `;
}
