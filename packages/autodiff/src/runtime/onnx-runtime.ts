/**
 * @file What this package needs of an ONNX Runtime. node.ts and web.ts implement it; the subpath import `#runtime` in
 * package.json resolves to one of the two.
 */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common';
import type { DType, TypedArray } from '../graph/dtype.ts';
import type { Shape } from '../graph/shape.ts';
import type { Device } from '../passes/target.ts';
import { type DeviceOptions, providerWith, sessionWith } from './device-options.ts';

/** Numbers that go into a session, or an array that its output is written to. */
export interface Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

export type Values = Readonly<Record<string, Value>>;

export interface Session {
  /** Runs the model once and writes each output into its array. */
  run(inputs: Values, outputs: Values): Promise<void>;
  /** Bytes that all runs so far have copied to the device and back. 0 on the processor, which reads and writes the arrays themselves. */
  readonly copiedBytes: number;
  endProfiling(): void;
  release(): Promise<void>;
}

export interface SessionOptions {
  readonly device: Device;
  /** Leave constants in their files as they are. */
  readonly lean?: boolean;
  /** Whether constants are cast at each use. Equal casts must then not be merged. */
  readonly castsAtRunTime?: boolean;
  /** Whether products may be rounded to TF32, on NVIDIA's cards. */
  readonly tf32?: boolean;
  readonly threads?: number;
  /** Checked; see `checkDeviceOptions`. */
  readonly deviceOptions?: DeviceOptions;
  readonly profilePrefix?: string;
}

/** Makes one session from a model whose constants may be in files. */
export interface SessionBuilder {
  /** The location to write into the model for a file, one of those given to `sessionBuilder`. */
  locationOf(path: string): string;
  create(model: Uint8Array, options: SessionOptions): Promise<Session>;
}

/** Whether a device works on this machine. */
export type DeviceState =
  | {
      readonly works: true;
      /** Floating-point operations per second of a matrix product, a rough figure. */
      readonly flops: number;
      /** Whether it computes in float16. */
      readonly half: boolean;
    }
  | {
      readonly works: false;
      /** What is missing. */
      readonly reason: string;
    };

/** What must be true of a file with constants. */
export interface FileNeeds {
  /** The number of bytes that it must have. */
  readonly bytes: number;
  /** Folders that it must be in when links are resolved; a browser has no links. */
  readonly folders: readonly string[];
}

/** An installed ONNX Runtime. */
export interface RuntimeLibrary {
  readonly version: string;
  /** Folder with its shared libraries for this platform. */
  readonly folder: string;
}

export interface OnnxRuntime {
  /**
   * @param files by their paths
   * @throws where a file is missing, too short, or outside of a folder
   */
  sessionBuilder(files: ReadonlyMap<string, FileNeeds>): SessionBuilder;
  /** Whether `device` works here, and how fast it is. */
  probe(device: Device): Promise<DeviceState>;
  /** Bytes of memory that are free on `device` now: its card's, or the machine's. Undefined where nobody says. */
  freeMemory(device: Device): Promise<number | undefined>;
  /** Where the library is that computes. Undefined in a browser. */
  library(): RuntimeLibrary | undefined;
}

/** The options that both runtimes share. */
export function commonOptions(
  { device, lean = false, castsAtRunTime, threads, profilePrefix, deviceOptions = {} }: SessionOptions,
  provider: InferenceSession.ExecutionProviderConfig,
  session: Readonly<Record<string, unknown>> = {},
): InferenceSession.SessionOptions {
  const own = sessionWith(device, deviceOptions);
  return {
    executionProviders: [provider],
    graphOptimizationLevel: lean ? 'extended' : 'all',
    enableMemPattern: !lean,
    // Errors are thrown, so they need not be printed too.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
    extra: {
      session: {
        // Idle threads that spin take cores from working threads as soon as two programs alternate or another process
        // computes: two to four times slower then, and no faster alone.
        intra_op: { allow_spinning: '0' },
        ...(lean ? { disable_prepacking: '1' } : {}),
        // Otherwise ops that the device lacks would silently run on the CPU, with copies there and back.
        ...(device === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
        ...own.config,
        ...session,
      },
      ...(castsAtRunTime
        ? { optimization: { disable_specified_optimizers: 'CommonSubexpressionElimination' } }
        : {}),
    },
    ...own.session,
  };
}

/** The provider of a session. */
export function providerOf({
  device,
  deviceOptions = {},
}: SessionOptions): InferenceSession.ExecutionProviderConfig {
  // Shapes are static, so buffers of the same exact sizes are wanted at every run.
  return providerWith(device, deviceOptions, device === 'webgpu' ? { storageBufferCacheMode: 'simple' } : {});
}

/** Values as tensors of the library that runs them; the arrays are shared. */
export function tensorsOf(values: Values, Tensor: TensorConstructor): Record<string, OrtTensor> {
  return Object.fromEntries(
    Object.entries(values).map(([name, { dtype, data, shape }]) => [
      name,
      new Tensor(dtype as 'float32', data as Float32Array, [...shape]),
    ]),
  );
}
