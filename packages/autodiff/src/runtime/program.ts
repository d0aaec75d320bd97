/** @file Compiles a graph for ONNX Runtime and runs it. */
import { runtime } from '#runtime';
import { allocate, CONSTANT_FLOATS, type TypedArray } from '../graph/dtype.ts';
import { show } from '../graph/shape.ts';
import type { ConstantSource, Graph, Node, Tensor } from '../graph/trace.ts';
import { encodeModel } from '../onnx/encode.ts';
import { runPasses } from '../passes/pipeline.ts';
import { DEVICES, type Device, type Layout, type Precision } from '../passes/target.ts';
import { checkDeviceOptions, type DeviceOptions } from './device-options.ts';
import { LossScaler } from './loss-scaler.ts';
import type { FileNeeds, Session, Value } from './onnx-runtime.ts';

/** Options of `compile`. */
export interface CompileOptions {
  /** Default `cpu`. The caller must know that the device works; see `chooseDevice`. */
  readonly device?: Device;
  /** Element type of products, convolutions and activations. Inputs and outputs keep theirs. Default `float32`. */
  readonly precision?: Precision;
  /** On the CPU; other devices copy the weights. Default `fast`. */
  readonly layout?: Layout;
  /**
   * On the CPU in float32, without a backward pass: whether 3x3 convolutions are computed in fewer multiplications (Winograd's
   * algorithm), for 16/9 of their weights in memory. Default false.
   */
  readonly winograd?: boolean;
  /** Options of the device's execution provider; see `DEVICE_OPTIONS`. */
  readonly deviceOptions?: DeviceOptions;
  /** Threads inside an op. Default: ONNX Runtime's choice, one for each physical core. */
  readonly threads?: number;
  /** Writes a JSON profile of every executed node to files whose names start with this path. */
  readonly profilePrefix?: string;
}

/** Numbers by name, each array row-major. */
export type Arrays<K extends string = string> = Readonly<Record<K, TypedArray>>;

/** A compiled program. Runs are independent of each other. `dispose` frees its memory. */
export class Program {
  /** Nodes emitted, before ONNX Runtime's own optimisation. */
  readonly nodeCount: number;
  private readonly session: Session;
  private readonly inputs: ReadonlyMap<string, Tensor>;
  private readonly outputs: ReadonlyMap<string, Tensor>;
  private readonly half: LossScaler | undefined;
  private disposed = false;

  /** @param half for programs in half precision */
  constructor(session: Session, graph: Graph, nodeCount: number, half?: LossScaler) {
    this.session = session;
    this.half = half;
    this.inputs = graph.inputs;
    this.outputs = graph.outputs;
    this.nodeCount = nodeCount;
  }

  /**
   * Runs the program once.
   *
   * @param inputs one typed array for each input, of the length of its shape
   * @param into arrays that outputs are written to; other outputs are allocated
   * @returns one typed array for each output
   * @throws Error where an input is missing, an output does not exist, or the program was disposed
   * @throws TypeError, RangeError where an array has the wrong type or length
   * @throws OverflowError where a number is out of the range of float16, in half precision
   */
  async run(inputs: Arrays, into: Arrays = {}): Promise<Record<string, TypedArray>> {
    if (!this.half) return this.once(inputs, into);
    return this.half.run(inputs, (more) => this.once({ ...inputs, ...more }, into));
  }

  private async once(inputs: Arrays, into: Arrays): Promise<Record<string, TypedArray>> {
    if (this.disposed) throw new Error('Program.run: the program was disposed');
    const feeds: Record<string, Value> = {};
    for (const [name, tensor] of this.inputs) {
      const data = inputs[name];
      if (!data) throw new Error(`Program.run: input "${name}" ${tensor} is missing`);
      feeds[`in:${name}`] = checked(`input "${name}"`, tensor, data);
    }
    for (const name of Object.keys(into)) {
      if (!this.outputs.has(name)) {
        throw new Error(
          `Program.run: there is no output "${name}" to write; there are ${[...this.outputs.keys()].join(', ')}`,
        );
      }
    }
    const fetches: Record<string, Value> = {};
    const results: Record<string, TypedArray> = {};
    for (const [name, tensor] of this.outputs) {
      const data = into[name] ?? allocate(tensor.dtype, tensor.size);
      results[name] = data;
      fetches[`out:${name}`] = checked(`output "${name}"`, tensor, data);
    }
    await this.session.run(feeds, fetches);
    return results;
  }

  /** Bytes that all runs so far have copied to the device and back; see `resident`. 0 on the processor. */
  get copiedBytes(): number {
    return this.session.copiedBytes;
  }

  /** Stops profiling and completes the file. */
  endProfiling(): void {
    this.session.endProfiling();
  }

  /** Frees the session. The program cannot run afterwards. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.session.release();
  }
}

/** The array of a tensor, checked. */
function checked(who: string, tensor: Tensor, data: TypedArray): Value {
  const wanted = allocate(tensor.dtype, 0).constructor as new () => TypedArray;
  if (!(data instanceof wanted)) {
    const got = (data as object | null)?.constructor?.name ?? String(data);
    throw new TypeError(`Program.run: ${who} needs a ${wanted.name} for ${tensor}, got ${got}`);
  }
  if (data.length !== tensor.size) {
    throw new RangeError(
      `Program.run: ${who} needs ${tensor.size} elements ${show(tensor.shape)}, got ${data.length}`,
    );
  }
  if (CONSTANT_FLOATS.includes(tensor.dtype)) {
    throw new TypeError(
      `Program.run: ${who} is ${tensor.dtype}, which only constants can be; cast it to float32`,
    );
  }
  return { dtype: tensor.dtype, shape: tensor.shape, data };
}

/**
 * Compiles a graph. Nodes that no output needs are dropped. Constants in files are mapped, not read.
 *
 * @throws RangeError where the device or an option of it does not exist, or a file with constants is too short
 * @throws Error where a file with constants is missing, or the device has no kernel for an op
 *
 * Reference: onnxruntime.ai/docs/api/js, InferenceSession.create.
 */
export async function compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
  const { device = 'cpu', precision = 'float32', layout = 'fast', threads, profilePrefix } = options;
  const { deviceOptions = {}, winograd } = options;
  if (!DEVICES.includes(device)) {
    throw new RangeError(`compile: no such device, got "${device}"; there are ${DEVICES.join(', ')}`);
  }
  checkDeviceOptions(device, deviceOptions);
  const builder = runtime.sessionBuilder(filesOf(graph.trace.constants.values()));
  if (precision === 'tf32' && device !== 'cuda') {
    throw new RangeError(`compile: only cuda computes in tf32, got device "${device}"; use float32`);
  }
  const lean = device === 'cpu' && layout === 'lean';
  const program = runPasses(graph, { device, precision, winograd });
  const { bytes, nodeCount, castsAtRunTime } = encodeModel(program, builder.locationOf, { lean });
  const session = await builder
    .create(bytes, {
      ...{ device, deviceOptions, lean, castsAtRunTime, threads, profilePrefix },
      tf32: precision === 'tf32',
    })
    .catch((error: unknown) => {
      throw String(error).includes('fallback to CPU EP') ? lacksKernel(device, program.nodes, error) : error;
    });
  const half = precision === 'float16' ? new LossScaler(graph) : undefined;
  return new Program(session, program, nodeCount, half);
}

/** Explains ONNX Runtime's error for nodes that only the CPU could run. */
function lacksKernel(device: Device, nodes: readonly Node[], cause: unknown): Error {
  const ops = [...new Set(nodes.map(({ op }) => op))].sort().join(', ');
  return new Error(`compile: device ${device} has no kernel for one of these ops: ${ops}; use device cpu`, {
    cause,
  });
}

/** Each file with constants, and what must be true of it. */
function filesOf(constants: Iterable<ConstantSource>): Map<string, FileNeeds> {
  const files = new Map<string, FileNeeds>();
  for (const source of constants) {
    if (!('file' in source)) continue;
    const { path, byteOffset, byteLength, within } = source.file;
    const { bytes = 0, folders = [] } = files.get(path) ?? {};
    files.set(path, {
      bytes: Math.max(bytes, byteOffset + byteLength),
      folders: within === undefined || folders.includes(within) ? folders : [...folders, within],
    });
  }
  return files;
}
