/** Hands a file to the user, as a download. */
export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The download has begun when the event loop comes around.
  setTimeout(() => URL.revokeObjectURL(link.href));
}
