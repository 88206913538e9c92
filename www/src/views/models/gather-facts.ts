import type { ModelState } from "../../model/model-holder.js";
import type { AdapterFacts, ReportFacts } from "./device-report.js";

/** Limits that decide which models fit and how fast they are. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
] as const;

/** The part of WebGPU that is asked here; TypeScript's DOM has none of it. */
interface Gpu {
  requestAdapter(): Promise<{
    readonly features: ReadonlySet<string>;
    readonly limits: Readonly<Record<string, number | undefined>>;
  } | null>;
}

/** Asks the browser and the model. What cannot be had is left out. */
export async function gatherFacts({ loading, device, info }: ModelState): Promise<ReportFacts> {
  const memory = loading.phase === "ready" ? loading.model.memory() : undefined;
  return {
    userAgent: navigator.userAgent,
    cores: navigator.hardwareConcurrency,
    isolated: crossOriginIsolated,
    device,
    model: info,
    memory: await memory?.catch(() => undefined),
    adapter: await adapterFacts().catch(() => undefined),
    storage: await storageFacts().catch(() => undefined),
  };
}

async function adapterFacts(): Promise<AdapterFacts | undefined> {
  const { gpu } = navigator as { gpu?: Gpu };
  const adapter = await gpu?.requestAdapter();
  if (!adapter) return undefined;
  return {
    features: [...adapter.features].sort(),
    // What a browser does not tell is left out.
    limits: Object.fromEntries(
      LIMITS.flatMap((name) => {
        const limit = adapter.limits[name];
        return limit === undefined ? [] : [[name, limit]];
      }),
    ),
  };
}

async function storageFacts(): Promise<ReportFacts["storage"]> {
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined || usage === undefined ? undefined : { quota, usage };
}
