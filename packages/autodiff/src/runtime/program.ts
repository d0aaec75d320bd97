/** @file Compiles a graph for ONNX Runtime and runs it. */
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { allocate, type TypedArray } from '../graph/dtype.ts';
import { show } from '../graph/shape.ts';
import type { ConstantSource, Graph, Node, Tensor } from '../graph/trace.ts';
import { encodeModel, liveNodes } from '../onnx/encode.ts';
import { inHalf, type Precision } from '../passes/half-precision.ts';
import { addLossScale, LossScaler } from '../passes/loss-scaling.ts';
import { lowerForCpu } from '../passes/lower-cpu.ts';
import { lowerForGpu } from '../passes/lower-gpu.ts';
import { DEVICES, type Device } from './device.ts';

/**
 * How much ONNX Runtime may rearrange: `fast` copies constant weights into blocked layouts (best for small models),
 * `lean` leaves them in the mapped file (memory stays near the size of the weights).
 */
export type Layout = 'fast' | 'lean';

export interface CompileOptions {
  /** Default `cpu`. That it works is the caller's to know; see `chooseDevice`. */
  readonly device?: Device;
  /** What products, convolutions and activations are computed in. Inputs and outputs stay as they are. Default `float32`. */
  readonly precision?: Precision;
  /** On the processor; other devices take copies of the weights. */
  readonly layout?: Layout;
  /** Threads inside an op; ONNX Runtime's choice (the physical cores) unless given. */
  readonly threads?: number;
  /** Writes a JSON profile of every executed node to files that start with this path. */
  readonly profilePrefix?: string;
}

export type Arrays<K extends string = string> = Readonly<Record<K, TypedArray>>;

/** A compiled program. Runs are independent of each other; `dispose` frees the session. */
export class Program {
  /** Nodes emitted, before ONNX Runtime's own optimisation. */
  readonly nodeCount: number;
  private readonly session: InferenceSession;
  private readonly inputs: ReadonlyMap<string, Tensor>;
  private readonly outputs: ReadonlyMap<string, Tensor>;
  private readonly half: LossScaler | undefined;
  private disposed = false;

  /**
   * Programs are made by {@link compile}.
   *
   * @param half for programs in half precision
   * @internal
   */
  constructor(session: InferenceSession, graph: Graph, nodeCount: number, half?: LossScaler) {
    this.session = session;
    this.half = half;
    this.inputs = graph.inputs;
    this.outputs = graph.outputs;
    this.nodeCount = nodeCount;
  }

  /**
   * Runs the program once.
   *
   * @param inputs one typed array for each input, row-major, of the length of its shape
   * @param into arrays that receive outputs without a further copy; other outputs are allocated
   * @throws OverflowError where numbers leave the range of float16, in half precision
   */
  async run(inputs: Arrays, into: Arrays = {}): Promise<Record<string, TypedArray>> {
    if (!this.half) return this.once(inputs, into);
    return this.half.run(inputs, (more) => this.once({ ...inputs, ...more }, into));
  }

  private async once(inputs: Arrays, into: Arrays): Promise<Record<string, TypedArray>> {
    if (this.disposed) throw new Error('Program.run: the program was disposed');
    const feeds: Record<string, OrtTensor> = {};
    for (const [name, tensor] of this.inputs) {
      const data = inputs[name];
      if (!data) throw new Error(`Program.run: input "${name}" ${tensor} is missing`);
      feeds[`in:${name}`] = wrap(`input "${name}"`, tensor, data);
    }
    for (const name of Object.keys(into)) {
      if (!this.outputs.has(name)) {
        throw new Error(
          `Program.run: there is no output "${name}" to write; there are ${[...this.outputs.keys()].join(', ')}`,
        );
      }
    }
    const fetches: Record<string, OrtTensor> = {};
    const results: Record<string, TypedArray> = {};
    for (const [name, tensor] of this.outputs) {
      const data = into[name] ?? allocate(tensor.dtype, tensor.size);
      results[name] = data;
      fetches[`out:${name}`] = wrap(`output "${name}"`, tensor, data);
    }
    await this.session.run(feeds, fetches);
    return results;
  }

  /** Stops profiling; the file is complete afterwards. */
  endProfiling(): void {
    this.session.endProfiling();
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.session.release();
  }
}

function wrap(who: string, tensor: Tensor, data: TypedArray): OrtTensor {
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
  if (tensor.dtype === 'bfloat16') {
    throw new TypeError(`Program.run: ${who} is bfloat16, which only constants can be; cast it to float32`);
  }
  return new OrtTensor(tensor.dtype, data as Float32Array, [...tensor.shape]);
}

/** Turns a graph into a program. Dead code is dropped; constants in files are mapped, not read. */
export async function compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
  const { device = 'cpu', precision = 'float32', layout = 'fast', threads, profilePrefix } = options;
  if (!DEVICES.includes(device)) {
    throw new RangeError(`compile: no such device, got "${device}"; there are ${DEVICES.join(', ')}`);
  }
  const files = realFiles([...graph.trace.constants.values()]);
  const folder = commonFolder(files.values());
  const lean = device === 'cpu' && layout === 'lean';
  const locationOf = (file: string) => path.relative(folder!, files.get(file)!);
  const program = rewritten(graph, device, precision);
  const encoded = encodeModel(program.graph, locationOf, { lean, nodes: program.nodes });
  const { bytes, nodeCount, castsAtRunTime } = encoded;
  const session = await InferenceSession.create(bytes, {
    executionProviders: [providerOf(device)],
    graphOptimizationLevel: lean ? 'extended' : 'all',
    enableMemPattern: !lean,
    // Errors are thrown; they need not be printed as well.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
    extra: {
      session: {
        // Waiting threads that spin take the cores from the threads they wait for as soon as two programs alternate
        // or another process computes: two to four times slower then, and no faster alone.
        intra_op: { allow_spinning: '0' },
        ...(lean ? { disable_prepacking: '1' } : {}),
        // Else what the device cannot do would be done by the processor, and copied there and back, in silence.
        ...(device === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
      ...(castsAtRunTime
        ? { optimization: { disable_specified_optimizers: 'CommonSubexpressionElimination' } }
        : {}),
    },
  }).catch((error: unknown) => {
    throw String(error).includes('fallback to CPU EP') ? lacksKernel(device, program.nodes, error) : error;
  });
  const half = precision === 'float16' ? new LossScaler(graph) : undefined;
  return new Program(session, program.graph, nodeCount, half);
}

/** What ONNX Runtime calls nodes that are assigned to the processor. */
function lacksKernel(device: Device, nodes: readonly Node[], cause: unknown): Error {
  const ops = [...new Set(nodes.map(({ op }) => op))].sort().join(', ');
  return new Error(`compile: device ${device} has no kernel for one of these ops: ${ops}; use device cpu`, {
    cause,
  });
}

/** The program in nodes that the device has and computes fast, in the precision that is wanted. */
function rewritten(graph: Graph, device: Device, precision: Precision): { graph: Graph; nodes: Node[] } {
  const live = liveNodes(graph);
  const nodes = device === 'cpu' ? lowerForCpu(graph.trace, live) : lowerForGpu(device, graph.trace, live);
  if (precision === 'float32') return { graph, nodes };
  const scaled = addLossScale(graph, nodes);
  return { graph: scaled.graph, nodes: inHalf(scaled.graph, scaled.nodes, { emulated: device === 'cpu' }) };
}

function providerOf(device: Device): InferenceSession.ExecutionProviderConfig {
  // Shapes are static: buffers of the exact sizes come back at every run.
  return device === 'webgpu' ? { name: 'webgpu', storageBufferCacheMode: 'simple' } : device;
}

/** The weight files with links resolved (ONNX Runtime refuses them), each checked to reach as far as it is read. */
function realFiles(constants: readonly ConstantSource[]): Map<string, string> {
  const ends = new Map<string, number>();
  for (const source of constants) {
    if (!('file' in source)) continue;
    const { path: file, byteOffset, byteLength } = source.file;
    ends.set(file, Math.max(ends.get(file) ?? 0, byteOffset + byteLength));
  }
  const real = new Map<string, string>();
  for (const [file, end] of ends) {
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw new Error(`compile: the weights file ${file} does not exist`);
    if (size < end) {
      throw new RangeError(
        `compile: the weights file ${file} ends early, got ${size} bytes; constants need ${end}`,
      );
    }
    real.set(file, realpathSync(file));
  }
  return real;
}

/** The deepest folder that holds all files, or undefined without any. ONNX Runtime takes one folder only. */
function commonFolder(files: Iterable<string>): string | undefined {
  const folders = [...files].map((file) => path.dirname(file).split(path.sep));
  const first = folders[0];
  if (!first) return undefined;
  let depth = first.length;
  for (const parts of folders) {
    let same = 0;
    while (same < depth && parts[same] === first[same]) same++;
    depth = same;
  }
  return first.slice(0, depth).join(path.sep) || path.sep;
}
