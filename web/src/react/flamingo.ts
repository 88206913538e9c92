/** A model that components share. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { FlamingoError } from "../errors.js";
import { Flamingo } from "../flamingo.js";
import type { ModelFolder } from "../model-folder.js";
import { ModelShare, type SharedModel } from "../model-share.js";
import type { DevicePreference, LoadEvent } from "../types.js";
import { useSame } from "./same.js";

/** How a model is loaded; see {@link Flamingo.load}. */
export interface UseFlamingoOptions {
  /** Where it runs. `auto` by default. */
  readonly device?: DevicePreference;
  /** Has the CPU round activations to bytes. False by default. */
  readonly int8Activations?: boolean;
  /** Asks the browser not to evict the model. True by default. */
  readonly persist?: boolean;
}

/** A model on its way. */
export interface ModelState {
  /** `idle` where there is nothing to load. */
  readonly status: "idle" | "loading" | "ready" | "failed";
  /** The model once it is `ready`. */
  readonly model: Flamingo | undefined;
  /** Why it `failed`. */
  readonly error: FlamingoError | undefined;
  /** The newest step of its loading; see {@link LoadEvent}. */
  readonly event: LoadEvent | undefined;
  /** The share of the model that has arrived, 0 to 1; 0 until it is known. */
  readonly progress: number;
  /** Loads it anew, as after a failure. Every component that asks for the model must do so by itself. */
  readonly retry: () => void;
}

interface Request extends Required<UseFlamingoOptions> {
  readonly source: string | ModelFolder | undefined;
}

type Change = Partial<Pick<ModelState, "status" | "model" | "error" | "event" | "progress">>;

/** A state, and which request it is about. */
interface Heard extends Change {
  readonly of: object;
}

/** The models of all components, by how they are loaded beside their device. */
const shares = new Map<string, ModelShare>();
const folderShares = new WeakMap<ModelFolder, ModelShare>();

/**
 * Loads a model while a component that asks for it is there. Components that ask for the same one share
 * it; with the last of them it goes. `undefined` loads nothing, so that a page can wait for its visitor.
 */
export function useFlamingo(
  source: string | URL | ModelFolder | undefined,
  { device = "auto", int8Activations = false, persist = true }: UseFlamingoOptions = {},
): ModelState {
  const request = useSame<Request>({
    source: source instanceof URL ? source.href : source,
    device,
    int8Activations,
    persist,
  });
  const [attempt, setAttempt] = useState(0);
  // Another object with every attempt.
  const load = useMemo(() => ({ request, attempt }), [request, attempt]);
  const [heard, setHeard] = useState<Heard>();
  const share = useRef<SharedModel>(undefined);

  useEffect(() => {
    if (load.request.source === undefined) return;
    let gone = false;
    const hear = (change: Change) => {
      if (gone) return;
      setHeard((before) => ({ ...(before?.of === load ? before : {}), ...change, of: load }));
    };
    const taken = take(load.request, (event) => {
      const progress = event.status === "progress" ? { progress: event.loaded / event.total } : {};
      hear({ event, ...progress });
    });
    share.current = taken;
    taken.ready.then(
      (model) => hear({ status: "ready", model, progress: 1 }),
      (error: FlamingoError) => hear({ status: "failed", error }),
    );
    return () => {
      gone = true;
      share.current = undefined;
      // Who comes in its place in the same moment, as each does in StrictMode, finds it loading still.
      setTimeout(() => taken.release());
    };
  }, [load]);

  const retry = useCallback(() => {
    share.current?.retire();
    setAttempt((attempt) => attempt + 1);
  }, []);
  const known: Change = heard?.of === load ? heard : {};
  const { model, error, event, progress = 0 } = known;
  const { status = request.source === undefined ? "idle" : "loading" } = known;
  return { status, model, error, event, progress, retry };
}

function take(
  { source = "", device, int8Activations, persist }: Request,
  onProgress: (event: LoadEvent) => void,
): SharedModel {
  const how = { int8Activations, persist };
  if (typeof source === "string") {
    const name = JSON.stringify(how);
    const share =
      shares.get(name) ??
      new ModelShare((url, options) => Flamingo.load(url, { ...options, ...how }));
    shares.set(name, share);
    return share.take(source, device, onProgress);
  }
  const share =
    folderShares.get(source) ??
    new ModelShare((_, options) => Flamingo.load(source, { ...options, ...how }));
  folderShares.set(source, share);
  return share.take(JSON.stringify(how), device, onProgress);
}
