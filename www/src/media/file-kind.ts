/** Pictures and videos, told by what is in their files: names and types are often others'. */

/** Bytes at the beginning of a file that tell its kind: two packets of an MPEG transport stream. */
const HEAD_BYTES = 189;

/** The kind of a file, as far as this page has a use for it. */
export type FileKind = "picture" | "video";

/** A mark that files of a kind have: at which byte, and its letters. */
type Mark = readonly [at: number, letters: string];

/** Kinds by their marks, all of which a file must have. */
const MARKS: readonly (readonly [FileKind, ...Mark[]])[] = [
  ["picture", [0, "\xff\xd8\xff"]],
  ["picture", [0, "\x89PNG"]],
  ["picture", [0, "RIFF"], [8, "WEBP"]],
  ["picture", [0, "GIF8"]],
  ["picture", [0, "BM"], [6, "\0\0\0\0"]],
  ["picture", [0, "\0\0\x01\0"]],
  ["picture", [0, "II*\0"]],
  ["picture", [0, "MM\0*"]],
  // JPEG XL, bare and in a container.
  ["picture", [0, "\xff\x0a"]],
  ["picture", [4, "JXL \r\n"]],
  // Matroska and WebM.
  ["video", [0, "\x1aE\xdf\xa3"]],
  ["video", [0, "RIFF"], [8, "AVI "]],
  ["video", [0, "OggS"]],
  ["video", [0, "FLV\x01"]],
  // Windows Media.
  ["video", [0, "0&\xb2u"]],
  // MPEG: program and elementary streams, transport streams with and without times in front.
  ["video", [0, "\0\0\x01\xba"]],
  ["video", [0, "\0\0\x01\xb3"]],
  ["video", [0, "G"], [188, "G"]],
  ["video", [4, "G"], [196, "G"]],
  // QuickTime without a type.
  ["video", [4, "moov"]],
  ["video", [4, "mdat"]],
  ["video", [4, "wide"]],
  ["video", [4, "free"]],
];

/** Types of the common container that hold a picture: AVIF and HEIC. Its others hold videos. */
const PICTURE_BRANDS = /^(avif|avis|hei[cmsx]|hev[cmsx]|mif1|msf1)$/;

/** The kind of a file; `undefined` if its bytes do not tell. */
export async function kindOf(file: Blob): Promise<FileKind | undefined> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES + 8).arrayBuffer());
  return kindOfBytes(head);
}

/** {@link kindOf}, of the first bytes of a file. */
export function kindOfBytes(head: Uint8Array): FileKind | undefined {
  if (has(head, [4, "ftyp"])) {
    const brand = String.fromCharCode(...head.subarray(8, 12));
    return PICTURE_BRANDS.test(brand) ? "picture" : "video";
  }
  const [kind] = MARKS.find(([, ...marks]) => marks.every((mark) => has(head, mark))) ?? [];
  return kind;
}

function has(head: Uint8Array, [at, letters]: Mark): boolean {
  return [...letters].every((letter, i) => head[at + i] === letter.charCodeAt(0));
}
