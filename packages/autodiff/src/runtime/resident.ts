/**
 * @file Inputs that never change stay on the device: they are copied there once, not at every run.
 *
 * Only WebGPU: ONNX Runtime's binding for Node names every buffer of a device as one of WebGPU's, so that CUDA takes inputs from
 * the processor alone. A session writes its outputs to the device if told so, and each session of the process reads them: so an
 * array gets there as the output of a program that returns its input. (Tensor.getData of such an output ends the process in
 * onnxruntime-node 1.30, so none is ever read back.)
 */
import type {
  InferenceSession,
  InferenceSessionFactory,
  Tensor as OrtTensor,
  TensorConstructor,
} from 'onnxruntime-common';
import type { TypedArray } from '../graph/dtype.ts';
import { emit, trace } from '../graph/trace.ts';
import { encodeModel } from '../onnx/encode.ts';
import { liveNodes } from '../passes/dead-code.ts';
import type { Device } from '../passes/target.ts';
import { commonOptions, providerOf, tensorsOf, type Value, type Values } from './onnx-runtime.ts';

const constant = new WeakSet<TypedArray>();

/**
 * Promises that the numbers of an array never change, so that a device may keep a copy for as long as the array exists.
 *
 * @returns the array
 */
export function resident<T extends TypedArray>(array: T): T {
  constant.add(array);
  return array;
}

/** Whether an array was promised to stay as it is. */
export const isResident = (array: TypedArray): boolean => constant.has(array);

/** Bytes of all values. */
export const bytesOf = (values: Values): number =>
  Object.values(values).reduce((sum, { data }) => sum + data.byteLength, 0);

/** Inputs of a run as tensors, and the bytes that it copies to the device. */
export interface Feeds {
  readonly tensors: Record<string, OrtTensor>;
  readonly copiedBytes: number;
}

/** Loads ONNX Runtime with WebGPU. */
export type LoadRuntime = () => Promise<{ readonly InferenceSession: InferenceSessionFactory }>;

/** The copies of the arrays that never change, on the graphics card that WebGPU has taken. */
export class ResidentTensors {
  private readonly load: LoadRuntime;
  private readonly uploaders = new Map<string, Promise<InferenceSession>>();
  private readonly copies = new WeakMap<TypedArray, Map<string, Promise<OrtTensor>>>();

  constructor(load: LoadRuntime) {
    this.load = load;
  }

  /** The inputs of a run on `device`; those that never change are there already, on WebGPU. */
  async feeds(device: Device, values: Values, Tensor: TensorConstructor): Promise<Feeds> {
    const tensors = tensorsOf(values, Tensor);
    // The processor reads the arrays themselves.
    if (device === 'cpu') return { tensors, copiedBytes: 0 };
    if (device !== 'webgpu') return { tensors, copiedBytes: bytesOf(values) };
    let copiedBytes = 0;
    for (const [name, value] of Object.entries(values)) {
      if (!isResident(value.data)) {
        copiedBytes += value.data.byteLength;
        continue;
      }
      const key = `${value.dtype} ${value.shape.join('x')}`;
      const copies = this.copies.get(value.data) ?? new Map<string, Promise<OrtTensor>>();
      this.copies.set(value.data, copies);
      let copy = copies.get(key);
      if (!copy) {
        copy = this.upload(key, value, tensors[name]);
        copies.set(key, copy);
        copy.catch(() => copies.delete(key));
        copiedBytes += value.data.byteLength;
      }
      tensors[name] = await copy;
    }
    return { tensors, copiedBytes };
  }

  private async upload(key: string, { dtype, shape }: Value, tensor: OrtTensor): Promise<OrtTensor> {
    let uploader = this.uploaders.get(key);
    if (!uploader) {
      const graph = trace({ x: { dtype, shape } }, ({ x }) => ({ y: emit('Identity', [x], dtype, shape) }));
      const { bytes } = encodeModel({ ...graph, nodes: liveNodes(graph) }, (file) => file);
      uploader = this.makeUploader(bytes);
      this.uploaders.set(key, uploader);
      uploader.catch(() => this.uploaders.delete(key));
    }
    return (await (await uploader).run({ 'in:x': tensor }))['out:y'];
  }

  /** A session whose outputs stay on the card. */
  private async makeUploader(model: Uint8Array): Promise<InferenceSession> {
    const webgpu = { device: 'webgpu' } as const;
    const { InferenceSession } = await this.load();
    return InferenceSession.create(model, {
      ...commonOptions(webgpu, providerOf(webgpu)),
      preferredOutputLocation: 'gpu-buffer',
    });
  }
}
