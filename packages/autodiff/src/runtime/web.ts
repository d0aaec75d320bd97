/**
 * @file ONNX Runtime for browsers: WebAssembly for device `cpu`, WebGPU for device `webgpu`. `#runtime` resolves to this file
 * under the condition `browser`. The path of a constant's file is a URL; the whole file is fetched for each program that
 * uses it.
 */
import type { InferenceSession } from 'onnxruntime-common';
import type { TypedArray } from '../graph/dtype.ts';
import type { Device } from '../passes/target.ts';
import {
  commonOptions,
  type DeviceState,
  type OnnxRuntime,
  providerOf,
  type Session,
  type SessionOptions,
  type Values,
} from './onnx-runtime.ts';
import { type ProbeModel, probeModels, SLOW } from './probe.ts';
import { bytesOf, ResidentTensors } from './resident.ts';

type Library = typeof import('onnxruntime-common');

/** Loads the build of ONNX Runtime that has the device. */
function load(device: Device): Promise<Library> {
  if (device === 'cuda')
    throw new Error('compile: device cuda is not available in a browser; use webgpu or cpu');
  return device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm');
}

export const runtime: OnnxRuntime = {
  sessionBuilder(needs) {
    const locations = new Map<string, string>();
    return {
      locationOf(file) {
        const location = locations.get(file) ?? `file${locations.size}`;
        locations.set(file, location);
        return location;
      },
      async create(model, options) {
        const files = await Promise.all(
          [...locations].map(async ([file, location]) => ({
            path: location,
            data: await fetched(file, needs.get(file)?.bytes ?? 0),
          })),
        );
        return createSession(model, options, files);
      },
    };
  },
  probe,
  // Browsers do not say.
  freeMemory: async () => undefined,
  library: () => undefined,
};

async function fetched(url: string, end: number): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`compile: the weights file ${url} does not exist (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length < end) {
    throw new RangeError(
      `compile: the weights file ${url} ends early, got ${bytes.length} bytes; constants need ${end}`,
    );
  }
  return bytes;
}

async function createSession(
  model: Uint8Array,
  options: SessionOptions,
  externalData: InferenceSession.SessionOptions['externalData'] = [],
): Promise<Session> {
  const { InferenceSession, Tensor } = await load(options.device);
  const provider = options.device === 'cpu' ? 'wasm' : providerOf(options);
  const session = await InferenceSession.create(model, {
    ...commonOptions(options, provider),
    externalData,
  });
  return new WebSession(session, Tensor, options.device);
}

/** Copies of arrays that never change, on the graphics card that WebGPU has taken. */
const residents = new ResidentTensors(() => load('webgpu'));

class WebSession implements Session {
  private readonly session: InferenceSession;
  private readonly Tensor: Library['Tensor'];
  private readonly device: Device;
  copiedBytes = 0;

  constructor(session: InferenceSession, Tensor: Library['Tensor'], device: Device) {
    this.session = session;
    this.Tensor = Tensor;
    this.device = device;
  }

  async run(inputs: Values, outputs: Values): Promise<void> {
    const { tensors, copiedBytes } = await residents.feeds(this.device, inputs, this.Tensor);
    const results = await this.session.run(tensors, Object.keys(outputs));
    if (this.device !== 'cpu') this.copiedBytes += copiedBytes + bytesOf(outputs);
    for (const [name, { data }] of Object.entries(outputs)) {
      // WebAssembly's memory can move, so results are copied out of it.
      (data as { set(from: TypedArray): void }).set((await results[name].getData()) as TypedArray);
    }
  }

  endProfiling(): void {
    this.session.endProfiling();
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

async function probe(device: Device): Promise<DeviceState> {
  if (device === 'cuda') return { works: false, reason: 'browsers have no CUDA' };
  try {
    const { small, large, half } = probeModels();
    let flops = await measured(device, small);
    if (flops > SLOW) flops = Math.max(flops, await measured(device, large));
    const inHalf = await measured(device, half).then(
      () => true,
      () => false,
    );
    return { works: true, flops, half: inHalf };
  } catch (error) {
    return {
      works: false,
      reason: String((error as Error).message)
        .replaceAll(/\s+/g, ' ')
        .slice(0, 200),
    };
  }
}

/** Operations per second of a model, the best of two runs after the first. */
async function measured(device: Device, { side, model }: ProbeModel): Promise<number> {
  const session = await createSession(model, { device });
  try {
    const x = {
      dtype: 'float32',
      shape: [side, side],
      data: new Float32Array(side * side).fill(1 / side),
    } as const;
    const y = { dtype: 'float32', shape: [], data: new Float32Array(1) } as const;
    let seconds = Infinity;
    for (let run = 0; run < 3; run++) {
      const started = performance.now();
      await session.run({ 'in:x': x }, { 'out:y': y });
      if (!(Math.abs(y.data[0] * side - 1) < 1e-2)) throw new Error('it computes wrong numbers');
      if (run > 0) seconds = Math.min(seconds, (performance.now() - started) / 1e3);
    }
    return (2 * side ** 3) / seconds;
  } finally {
    await session.release();
  }
}
