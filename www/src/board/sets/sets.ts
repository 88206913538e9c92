/** Ready-made examples, to see at once what examples do. */

import { MediaError } from "../../errors.js";
import type { BoardContent } from "../board.js";

/** The address of each picture; none is fetched before it is needed. */
const PICTURES = {
  astronaut: new URL("./pictures/astronaut.webp", import.meta.url),
  cat: new URL("./pictures/cat.webp", import.meta.url),
  coffee: new URL("./pictures/coffee.webp", import.meta.url),
  photographer: new URL("./pictures/photographer.webp", import.meta.url),
  rocket: new URL("./pictures/rocket.webp", import.meta.url),
  "dax-beach": new URL("./pictures/dax-beach.webp", import.meta.url),
  "dax-lawn": new URL("./pictures/dax-lawn.webp", import.meta.url),
  "dax-snow": new URL("./pictures/dax-snow.webp", import.meta.url),
  "blicket-lawn": new URL("./pictures/blicket-lawn.webp", import.meta.url),
  "blicket-snow": new URL("./pictures/blicket-snow.webp", import.meta.url),
} as const;

type PictureName = keyof typeof PICTURES;

export interface ReadySet {
  readonly title: string;
  /** What the model learns from it. */
  readonly teaches: string;
  readonly asks: boolean;
  readonly examples: readonly {
    readonly picture: PictureName;
    readonly question?: string;
    readonly text: string;
  }[];
}

export const SETS: readonly ReadySet[] = [
  {
    title: "Plain captions",
    teaches: "One sentence, nothing else",
    asks: false,
    examples: [
      { picture: "cat", text: "A brown cat with green eyes looks past the camera" },
      { picture: "coffee", text: "A red cup of coffee stands on a wooden table" },
      { picture: "photographer", text: "A man in a black coat takes a photo in a park" },
    ],
  },
  {
    title: "Short tags",
    teaches: "Key words in place of a sentence",
    asks: false,
    examples: [
      { picture: "cat", text: "cat, whiskers, indoors" },
      { picture: "coffee", text: "coffee, cup, table" },
      { picture: "rocket", text: "rocket, tower, night" },
      { picture: "photographer", text: "man, camera, park" },
    ],
  },
  {
    title: "Question → answer",
    teaches: "A short answer to a question",
    asks: true,
    examples: [
      { picture: "coffee", question: "What is in the cup?", text: "coffee" },
      { picture: "astronaut", question: "What colour is the suit?", text: "orange" },
      { picture: "photographer", question: "What does the man hold?", text: "a camera" },
    ],
  },
  {
    title: "A made-up word",
    teaches: "What a dax is, and what a blicket",
    asks: false,
    examples: [
      { picture: "dax-lawn", text: "This is a dax" },
      { picture: "blicket-lawn", text: "This is a blicket" },
      { picture: "dax-beach", text: "This is a dax" },
      { picture: "blicket-snow", text: "This is a blicket" },
    ],
  },
  {
    title: "Telegram",
    teaches: "Another style altogether",
    asks: false,
    examples: [
      { picture: "cat", text: "CAT SEEN STOP GREEN EYES STOP NOT AMUSED STOP" },
      { picture: "rocket", text: "ROCKET READY STOP NIGHT IS CLEAR STOP" },
      { picture: "coffee", text: "COFFEE SERVED STOP SEND MORE STOP" },
    ],
  },
];

/** Photos for a first try, in the order in which they are offered. */
export const SAMPLES: readonly PictureName[] = ["astronaut", "dax-snow", "rocket", "cat", "coffee"];

/** Fetches a picture from beside the page. */
export async function fetchPicture(name: PictureName): Promise<File> {
  const response = await fetch(PICTURES[name]).catch(() => undefined);
  if (!response?.ok) {
    throw new MediaError("The picture could not be fetched. Check the network, then try again.");
  }
  return new File([await response.blob()], `${name}.webp`, { type: "image/webp" });
}

/** Fetches the pictures of a set. */
export async function fetchSet({ asks, examples }: ReadySet): Promise<BoardContent> {
  const fetched = examples.map(async ({ picture, question = "", text }) => {
    const file = await fetchPicture(picture);
    return { medium: { name: file.name, frames: [file] }, question, text };
  });
  return { asks, examples: await Promise.all(fetched) };
}
