/**
 * Runs in the package's Worker or in a page, before any other script: takes the time of every
 * dispatch on the GPU's own clock. Each gets a pass of its own for that, which costs a little.
 */

import { NAMES } from "./site.js";

/** A dispatch, in the order of their launches. Times are nanoseconds of the GPU's clock. */
export interface Dispatch {
  /** The program's WGSL. */
  readonly code: string;
  readonly workgroups: number;
  readonly start: number;
  readonly end: number;
  /** Read-backs that were asked for before it: the model reads one number back a token. */
  readonly readBacks: number;
}

/** Asked over this channel with any message, it answers with all dispatches since the last time. */
export const CHANNEL = "gpu-trace";

/** What Chromium is told so that it does not round timestamps to a tenth of a millisecond. */
export const EXACT_TIMES = [
  "--enable-webgpu-developer-features",
  "--disable-dawn-features=timestamp_quantization",
];

/** Text of a script; the function uses nothing from outside. */
export function traceScript(): string {
  return `${NAMES}\n(${trace})(${JSON.stringify(CHANNEL)});\n`;
}

function trace(channel: string): void {
  /** Timestamps of a set, two a dispatch: more than a submission has. */
  const SLOTS = 4096;
  const BYTES = 8;
  /** By the standard: the names are in no type library yet. */
  const [MAP_READ, COPY_SRC, COPY_DST, QUERY_RESOLVE] = [0x1, 0x4, 0x8, 0x200];
  const codes = new WeakMap<GPUShaderModule, string>();
  const programs = new WeakMap<GPUComputePipeline, string>();
  const devices = new WeakMap<GPUCommandEncoder, GPUDevice>();
  const own = new WeakSet<GPUBuffer>();
  let dispatches: { -readonly [Name in keyof Dispatch]: Dispatch[Name] }[] = [];
  let open: { slot: number; dispatch: (typeof dispatches)[number] }[] = [];
  let pending: Promise<unknown> = Promise.resolve();
  let set: GPUQuerySet | undefined;
  let slot = 0;
  let readBacks = 0;

  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
    const requiredFeatures = [...(descriptor.requiredFeatures ?? []), "timestamp-query" as const];
    return requestDevice.call(this, { ...descriptor, requiredFeatures });
  };
  const { createShaderModule, createComputePipeline, createCommandEncoder } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const shader = createShaderModule.call(this, descriptor);
    codes.set(shader, descriptor.code);
    return shader;
  };
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    const pipeline = createComputePipeline.call(this, descriptor);
    programs.set(pipeline, codes.get(descriptor.compute.module) ?? "");
    return pipeline;
  };
  GPUDevice.prototype.createCommandEncoder = function (descriptor) {
    const encoder = createCommandEncoder.call(this, descriptor);
    devices.set(encoder, this);
    return encoder;
  };
  const { beginComputePass } = GPUCommandEncoder.prototype;
  GPUCommandEncoder.prototype.beginComputePass = function () {
    const device = devices.get(this);
    if (device === undefined) throw new Error("an encoder of no device");
    set ??= device.createQuerySet({ type: "timestamp", count: SLOTS });
    const querySet = set;
    const groups = new Map<number, unknown[]>();
    let pipeline: GPUComputePipeline | undefined;
    const recorder = {
      setPipeline: (it: GPUComputePipeline) => {
        pipeline = it;
      },
      setBindGroup: (...group: unknown[]) => {
        groups.set(group[0] as number, group);
      },
      dispatchWorkgroups: (x: number, y = 1, z = 1) => {
        if (pipeline === undefined) throw new Error("a dispatch of no program");
        const timestampWrites = {
          querySet,
          beginningOfPassWriteIndex: slot,
          endOfPassWriteIndex: slot + 1,
        };
        const pass = beginComputePass.call(this, { timestampWrites });
        pass.setPipeline(pipeline);
        for (const group of groups.values()) {
          (pass.setBindGroup as (...group: unknown[]) => void)(...group);
        }
        pass.dispatchWorkgroups(x, y, z);
        pass.end();
        const code = programs.get(pipeline) ?? "";
        const dispatch = { code, workgroups: x * y * z, start: 0, end: 0, readBacks };
        dispatches.push(dispatch);
        open.push({ slot, dispatch });
        slot = (slot + 2) % SLOTS;
      },
      end: () => {},
    };
    return recorder as unknown as GPUComputePassEncoder;
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (buffers) {
    const all = [...buffers];
    submit.call(this, all);
    if (open.length === 0 || set === undefined) return;
    const taken = open;
    open = [];
    pending = Promise.all([pending, read(this, set, taken)]);
  };
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...args) {
    if (!own.has(this)) readBacks += 1;
    return mapAsync.apply(this, args);
  };
  let device: GPUDevice | undefined;
  const { createQuerySet } = GPUDevice.prototype;
  GPUDevice.prototype.createQuerySet = function (descriptor) {
    device = this;
    return createQuerySet.call(this, descriptor);
  };

  /** Takes the times of what was submitted. */
  async function read(queue: GPUQueue, set: GPUQuerySet, taken: typeof open): Promise<void> {
    if (device === undefined) return;
    const size = SLOTS * BYTES;
    const resolved = device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    const mapped = device.createBuffer({ size, usage: COPY_DST | MAP_READ });
    own.add(mapped);
    const encoder = createCommandEncoder.call(device);
    encoder.resolveQuerySet(set, 0, SLOTS, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, mapped, 0, size);
    submit.call(queue, [encoder.finish()]);
    await mapped.mapAsync(MAP_READ);
    const times = new BigUint64Array(mapped.getMappedRange());
    for (const { slot, dispatch } of taken) {
      dispatch.start = Number(times[slot]);
      dispatch.end = Number(times[slot + 1]);
    }
    mapped.destroy();
    resolved.destroy();
  }

  const asked = new BroadcastChannel(channel);
  asked.onmessage = async () => {
    await pending;
    const answer = dispatches;
    dispatches = [];
    asked.postMessage(answer);
  };
}
