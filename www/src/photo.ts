/** A picture the user gave, and an address under which the page can show it. */
export class Photo {
  readonly file: File;
  /** Valid until {@link release}. */
  readonly url: string;

  constructor(file: File) {
    this.file = file;
    this.url = URL.createObjectURL(file);
  }

  /** Lets the browser forget the picture. */
  release(): void {
    URL.revokeObjectURL(this.url);
  }
}

/** What the model can read; anything else is refused by it, in words. */
export const ACCEPT = "image/jpeg,image/png,image/webp";

/** The files of a drop or a paste that may be pictures. */
export function filesOf(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])];
}
