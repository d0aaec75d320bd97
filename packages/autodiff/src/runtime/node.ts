/**
 * @file ONNX Runtime for Node. Only this file and web.ts import an ONNX Runtime, and only this file imports modules of Node; `#runtime` resolves to it everywhere but in a browser.
 */
import { execFile } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { InferenceSession } from 'onnxruntime-common';
import type { Device } from '../passes/target.ts';
import {
  commonOptions,
  type DeviceState,
  type FileNeeds,
  type OnnxRuntime,
  providerOf,
  type RuntimeLibrary,
  type Session,
  tensorsOf,
  type Values,
} from './onnx-runtime.ts';
import { type ProbeModel, probeModels, SLOW } from './probe.ts';
import { bytesOf, ResidentTensors } from './resident.ts';

type Library = typeof import('onnxruntime-node');

let loaded: Promise<Library> | undefined;

/** Loads ONNX Runtime when it is first needed. */
function load(): Promise<Library> {
  loaded ??= (async () => {
    switchTelemetryOff();
    return import('onnxruntime-node').catch((cause: unknown) => {
      throw notLoaded(cause);
    });
  })();
  return loaded;
}

/**
 * ONNX Runtime's package for Node collects telemetry: it writes a device id and a database of events under the home folder.
 * It reads this variable once, when its library is loaded, from the environment of the process: a thread that has a copy of that (the
 * default of `new Worker`) cannot switch it off. A value that is already set stays.
 */
function switchTelemetryOff(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}

let tf32: boolean | undefined;

/**
 * Whether NVIDIA's libraries may round products to TF32. ONNX Runtime's binding for Node does not pass the option of its provider;
 * this variable is what is left, and the libraries read it once per process.
 *
 * Reference: docs.nvidia.com, cuBLAS, NVIDIA_TF32_OVERRIDE.
 */
export function allowTf32(allowed: boolean, env: NodeJS.ProcessEnv = process.env): void {
  if (tf32 !== undefined && tf32 !== allowed) {
    const [was, wanted] = tf32 ? ['tf32', 'float32'] : ['float32', 'tf32'];
    throw new Error(
      `compile: this process computes on cuda in ${was}, and NVIDIA's libraries keep to that; use another process for ${wanted}`,
    );
  }
  tf32 = allowed;
  if (allowed) delete env.NVIDIA_TF32_OVERRIDE;
  else env.NVIDIA_TF32_OVERRIDE = '0';
}

/** The package as it is installed; its entry is in `dist/`. */
function library(): RuntimeLibrary {
  const root = path.dirname(path.dirname(entryOfLibrary()));
  const { version } = createRequire(import.meta.url)(path.join(root, 'package.json'));
  return { version, folder: path.join(root, 'bin', 'napi-v6', process.platform, process.arch) };
}

const entryOfLibrary = () => createRequire(import.meta.url).resolve('onnxruntime-node');

/** How long the driver may take to answer. */
const DRIVER_TIMEOUT_MS = 10_000;

/** Of the card that CUDA takes first, by its driver; of the machine or container, by Node. */
async function freeMemory(device: Device): Promise<number | undefined> {
  if (device === 'cpu') {
    const { availableMemory } = process as { availableMemory?: () => number };
    return availableMemory === undefined ? undefined : availableMemory.call(process);
  }
  if (device !== 'cuda') return undefined;
  const [card = '0'] = (process.env.CUDA_VISIBLE_DEVICES ?? '0').split(',');
  const args = ['--query-gpu=memory.free', '--format=csv,noheader,nounits', `--id=${card.trim()}`];
  const text = await new Promise<string>((resolve) => {
    execFile('nvidia-smi', args, { timeout: DRIVER_TIMEOUT_MS }, (error, stdout) =>
      resolve(error ? '' : stdout),
    );
  });
  return freeBytes(text);
}

/** From the answer of nvidia-smi: mebibytes. */
export function freeBytes(text: string): number | undefined {
  const mebibytes = /^\s*(\d+)\s*$/m.exec(text)?.[1];
  return mebibytes === undefined ? undefined : Number(mebibytes) * 2 ** 20;
}

function notLoaded(cause: unknown): Error {
  const [reason] = String((cause as Error | undefined)?.message ?? cause).split('\n');
  return new Error(
    `onnxruntime-node: its library for ${process.platform}/${process.arch} could not be loaded (${reason}); remove node_modules/onnxruntime-node and run "npm install --ignore-scripts" on this machine (it exists for Linux with glibc and Windows on x64 and arm64, and macOS on arm64)`,
    { cause },
  );
}

export const runtime: OnnxRuntime = {
  sessionBuilder(needs) {
    const files = realFiles(needs);
    const folder = commonFolder(files.values());
    return {
      locationOf(file) {
        const real = files.get(file);
        if (folder === undefined || real === undefined)
          throw new Error(`compile: ${file} is no weights file of this program`);
        return path.relative(folder, real);
      },
      async create(model, options) {
        if (options.device === 'cuda') allowTf32(options.tf32 === true);
        const { InferenceSession, Tensor } = await load();
        const external = folder === undefined ? {} : { model_external_initializers_file_folder_path: folder };
        const session = await InferenceSession.create(
          model,
          commonOptions(options, providerOf(options), external),
        );
        return new NodeSession(session, Tensor, options.device);
      },
    };
  },
  probe,
  freeMemory,
  library,
};

/** Copies of arrays that never change, on the graphics card that WebGPU has taken. */
const residents = new ResidentTensors(load);

class NodeSession implements Session {
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
    // Outputs are written straight into the arrays of the given tensors.
    await this.session.run(tensors, tensorsOf(outputs, this.Tensor));
    if (this.device !== 'cpu') this.copiedBytes += copiedBytes + bytesOf(outputs);
  }

  endProfiling(): void {
    this.session.endProfiling();
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** The files with links resolved, which ONNX Runtime refuses, each checked to be long enough. */
function realFiles(needs: ReadonlyMap<string, FileNeeds>): Map<string, string> {
  const real = new Map<string, string>();
  for (const [file, { bytes: end, folders }] of needs) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) throw new Error(`compile: the weights file ${file} does not exist`);
    if (!found.isFile()) throw new Error(`compile: the weights file ${file} is no plain file`);
    const { size } = found;
    if (size < end) {
      throw new RangeError(
        `compile: the weights file ${file} ends early, got ${size} bytes; constants need ${end}`,
      );
    }
    const resolved = realpathSync(file);
    for (const folder of folders) {
      const inside = path.relative(realpathSync(folder), resolved);
      if (inside.split(path.sep)[0] !== '..' && !path.isAbsolute(inside)) continue;
      throw new Error(
        `compile: the weights file ${file} is a link to ${resolved}, outside of the model's folder; copy the file into it`,
      );
    }
    real.set(file, resolved);
  }
  return real;
}

/** The deepest folder that holds all files, or undefined if there are none. ONNX Runtime takes only one folder. */
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

const PROBE_TIMEOUT_MS = 120_000;

/**
 * Makes sessions, runs them and prints the result as JSON. It is JavaScript in a string, because the child process has no loader
 * for TypeScript. The matrices are such that their product equals them.
 */
const PROBE_SCRIPT = `
const [runtime, device, ...rest] = process.argv.slice(1);
const { InferenceSession, Tensor, listSupportedBackends } = require(runtime);
const [models, slow] = rest.map((text) => JSON.parse(text));
const say = (state) => require('node:fs').writeSync(1, JSON.stringify(state));
(async () => {
  if (!listSupportedBackends().some(({ name }) => name === device)) throw new Error('not in this build');
  const measure = async ({ side, model }) => {
    const session = await InferenceSession.create(Buffer.from(model, 'base64'), {
      executionProviders: [device],
      logSeverityLevel: 4,
      extra: { session: device === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' } },
    });
    const x = new Tensor('float32', new Float32Array(side * side).fill(1 / side), [side, side]);
    let seconds = Infinity;
    for (let run = 0; run < 3; run++) {
      const started = performance.now();
      const y = (await session.run({ 'in:x': x }))['out:y'].data[0];
      if (!(Math.abs(y * side - 1) < 1e-2)) throw new Error('it computes wrong numbers');
      if (run > 0) seconds = Math.min(seconds, (performance.now() - started) / 1e3);
    }
    return (2 * side ** 3) / seconds;
  };
  let flops = await measure(models.small);
  if (flops > slow) flops = Math.max(flops, await measure(models.large));
  const half = await measure(models.half).then(() => true, () => false);
  say({ flops, half });
})().catch((error) => say({ error: String(error && error.message) })).finally(() => process.exit());
`;

/**
 * Asks a process of its own whether a device works: drivers and providers print to the terminal, and a broken one may take
 * the whole process down.
 */
async function probe(device: Device): Promise<DeviceState> {
  const entry = entryOfLibrary();
  const text = ({ side, model }: ProbeModel) => ({ side, model: Buffer.from(model).toString('base64') });
  const { small, large, half } = probeModels();
  const models = JSON.stringify({ small: text(small), large: text(large), half: text(half) });
  const { stdout, stderr, signal } = await output(['-e', PROBE_SCRIPT, entry, device, models, String(SLOW)]);
  if (signal) {
    const why =
      signal === 'SIGTERM' ? `did not answer within ${PROBE_TIMEOUT_MS / 1e3} s` : `crashed (${signal})`;
    return { works: false, reason: `its driver ${why}` };
  }
  const answer = parsed(stdout);
  if (answer.flops !== undefined) return { works: true, flops: answer.flops, half: answer.half === true };
  return {
    works: false,
    reason: whatIsMissing(device, answer.error ?? 'the test program gave no answer', stderr),
  };
}

interface Answer {
  readonly flops?: number;
  readonly half?: boolean;
  readonly error?: string;
}

function parsed(text: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return {};
  }
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  /** The signal that ended the process, unless it ended by itself. */
  readonly signal?: string;
}

function output(args: readonly string[]): Promise<Output> {
  switchTelemetryOff();
  // The options of this process (a loader of sources, an inspector) do not apply to the child.
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], { env, timeout: PROBE_TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve({ stdout, stderr, signal: error?.signal ?? undefined }),
    );
  });
}

/** What a library of NVIDIA's belongs to. Its version is that of CUDA, which differs between builds of ONNX Runtime. */
function needs(library: string): string {
  const [, name, version] = /^lib(\w+)\.so\.(\d+)/.exec(library) ?? [];
  if (name?.startsWith('cudnn')) return `cuDNN ${version} is needed`;
  // cuFFT and cuRAND count for themselves.
  return /^(cublas|cublasLt|cudart|nvrtc|nvJitLink)$/.test(name ?? '')
    ? `CUDA ${version} is needed`
    : 'CUDA is needed';
}

/** Translates an error of ONNX Runtime to what has to be installed. */
export function whatIsMissing(device: Device, error: string, stderr: string): string {
  if (error.includes('not in this build')) {
    const where = device === 'cuda' ? '; it exists for Linux on x64' : '';
    return `ONNX Runtime for ${process.platform}/${process.arch} is built without it${where}`;
  }
  if (/adapter|vulkan/i.test(error)) {
    return 'no graphics driver with Vulkan, Metal or Direct3D 12 was found (on Linux: libvulkan1 and the Vulkan driver of the card)';
  }
  // The error only says that a library could not be loaded; which one it was is in what was printed.
  const missing = /(\S+): cannot open shared object file/.exec(stderr)?.[1]?.split('/').at(-1);
  if (missing?.startsWith('libonnxruntime')) {
    return "ONNX Runtime's CUDA files are not installed (they are in the Python wheel onnxruntime-gpu of the same version)";
  }
  if (missing) return `the library ${missing} is missing (${needs(missing)})`;
  if (/driver version is insufficient|no CUDA-capable device|CUDA failure (35|100)/i.test(error)) {
    return 'no NVIDIA card with a driver that is new enough was found';
  }
  return error.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
}
