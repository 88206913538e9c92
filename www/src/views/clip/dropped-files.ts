import type { PlacedFile } from "./clip-files.js";

/** The files of a drop and of the folders in it, but not of folders in those: they are named by {@link PlacedFile.path}. */
export async function droppedFiles(transfer: DataTransfer | null): Promise<PlacedFile[]> {
  // A drop can be read only until its event is over, so all of it is asked for before the first wait.
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry());
  const files = [...(transfer?.files ?? [])].map((file) => ({ path: file.name, file }));
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const placed = await Promise.all(entries.map((entry) => (entry === null ? [] : filesOf(entry))));
  return placed.flat();
}

async function filesOf(entry: FileSystemEntry): Promise<PlacedFile[]> {
  if (isFile(entry)) return [await fileOf(entry)];
  if (!isFolder(entry)) return [];
  const inside = (await entriesOf(entry)).filter(isFile);
  return Promise.all(inside.map(fileOf));
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

function fileOf(entry: FileSystemFileEntry): Promise<PlacedFile> {
  const path = entry.fullPath.replace(/^\//, "");
  return new Promise((resolve, reject) => {
    entry.file((file) => resolve({ path, file }), reject);
  });
}

/** A folder is read in parts, the last of which is empty. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (part.length === 0) return all;
    all.push(...part);
  }
}
