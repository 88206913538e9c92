/** A page in React's StrictMode that uses every hook; `react.spec.ts` bundles and drives it. */

import { CaptionStream, type Session } from "flamingo-web";
import {
  type SessionMaker,
  useCaption,
  useDecide,
  useFlamingo,
  useLiveCaption,
} from "flamingo-web/react";
import { createElement, StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

/** What the test changes. */
export interface Controls {
  readonly view?: "captions" | "live" | "later" | "stand-in";
  readonly photo?: Uint8Array;
  readonly question?: string;
  readonly enabled?: boolean;
  readonly deciding?: boolean;
}

/** What a session of the stand-in was asked for. */
export interface Calls {
  /** Sessions that were made and not disposed of. */
  alive: number;
  made: number;
  /** Captions that are neither ended nor stopped. */
  running: number;
  stopped: number;
  /** Renderings of the view. */
  renderings: number;
}

const calls: Calls = { alive: 0, made: 0, running: 0, stopped: 0, renderings: 0 };

/** A model whose captions take until the test ends them. */
let endCaptions: (() => void)[] = [];

function standIn(deciding: boolean): SessionMaker {
  return {
    session: () => {
      calls.alive += 1;
      calls.made += 1;
      const session = {
        caption: (_: unknown, { signal }: { signal?: AbortSignal }) =>
          new CaptionStream(write, signal),
        dispose: () => {
          calls.alive -= 1;
        },
        decide: async (image: Uint8Array, schema: object, { question = "" }) => {
          if (!deciding) throw new Error("the schema is refused");
          return {
            value: { image: image[0], schema, question },
            probability: 0.5,
            leaves: [{ path: "/image", value: image[0], probability: 0.5 }],
          };
        },
      };
      return session as unknown as Session;
    },
  };
}

const models = { true: standIn(true), false: standIn(false) };

async function write(
  onPiece: (piece: never) => void,
  signal: AbortSignal,
): ReturnType<ConstructorParameters<typeof CaptionStream>[0]> {
  calls.running += 1;
  onPiece({ text: " some" } as never);
  let stop = () => {};
  await new Promise<void>((resolve, reject) => {
    endCaptions.push(resolve);
    stop = () => {
      calls.stopped += 1;
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop);
  }).finally(() => {
    signal.removeEventListener("abort", stop);
    calls.running -= 1;
  });
  return { text: "some thing" } as never;
}

const MODEL = "models/tiny/model.json";

/** One of several that share a model. */
function Caption({ photo, name }: { photo: Uint8Array | undefined; name: string }) {
  const { status, model, error } = useFlamingo(MODEL, { device: "cpu" });
  // Written anew with every rendering, and yet the same.
  const shots = [{ text: "A dog" }, { text: "A cat" }];
  const caption = useCaption(model, photo, { shots, maxNewTokens: 8 });
  const text = error?.message ?? caption.error?.message ?? caption.text;
  const told = { "aria-label": name, "data-status": status, "data-caption": caption.status };
  return createElement("output", told, text);
}

function Live({ enabled }: { enabled: boolean }) {
  const { model } = useFlamingo(MODEL, { device: "cpu" });
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const opening = navigator.mediaDevices.getUserMedia({ video: true });
    void opening.then(async (stream) => {
      if (video.current === null) return;
      video.current.srcObject = stream;
      await video.current.play().catch(() => {});
    });
    return () => {
      void opening.then((stream) => {
        for (const track of stream.getTracks()) track.stop();
      });
    };
  }, []);
  const { text, count, status, error } = useLiveCaption(model, video, { enabled, maxNewTokens: 4 });
  return createElement(
    "div",
    null,
    createElement("video", { ref: video, muted: true, playsInline: true }),
    createElement(
      "output",
      { "aria-label": "live", "data-count": count, "data-status": status },
      error?.message ?? text,
    ),
  );
}

/** A model that is not there yet. */
function Later() {
  const { status, error, progress, retry } = useFlamingo("models/later/model.json", {
    device: "cpu",
  });
  const text = error?.code ?? `${progress}`;
  return createElement(
    "div",
    null,
    createElement("button", { type: "button", onClick: retry }, "Again"),
    createElement("output", { "aria-label": "later", "data-status": status }, text),
  );
}

function StandIn({ photo, question, deciding }: Controls) {
  calls.renderings += 1;
  const model = models[`${deciding ?? true}`];
  const caption = useCaption(model, photo);
  const schema = { type: "boolean" };
  const decision = useDecide<{ image: number }>(model, photo, schema, {
    ...(question !== undefined && { question }),
  });
  const { value, probability, leaves, error, status } = decision;
  const told = { status, value, probability, leaves, error: error?.message };
  return createElement(
    "div",
    null,
    createElement(
      "output",
      { "aria-label": "caption", "data-status": caption.status },
      caption.text,
    ),
    createElement("output", { "aria-label": "decision" }, JSON.stringify(told)),
  );
}

function App() {
  const [controls, setControls] = useState<Controls>({});
  useEffect(() => {
    Object.assign(window, {
      change: (more: Controls) => setControls((before) => ({ ...before, ...more })),
      calls,
      end: () => {
        for (const end of endCaptions) end();
        endCaptions = [];
      },
    });
  }, []);
  const { view, photo, enabled = true } = controls;
  if (view === "captions") {
    return ["one", "two"].map((name) => createElement(Caption, { key: name, name, photo }));
  }
  if (view === "later") return createElement(Later);
  if (view === "live") return createElement(Live, { enabled });
  if (view === "stand-in") return createElement(StandIn, controls);
  return null;
}

createRoot(document.body.appendChild(document.createElement("main"))).render(
  createElement(StrictMode, null, createElement(App)),
);
