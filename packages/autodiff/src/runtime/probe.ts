/**
 * @file Asking whether a device works, in a process of its own: drivers and providers write to the terminal by themselves, and
 * a broken one may take the whole process down.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { trace } from '../graph/trace.ts';
import { encodeModel } from '../onnx/encode.ts';
import { cast } from '../ops/arithmetic.ts';
import { matmul } from '../ops/matmul.ts';
import { max } from '../ops/reduce.ts';
import type { Precision } from '../passes/half-precision.ts';
import type { Device, DeviceState } from './device.ts';

const TIMEOUT_MS = 120_000;

/** A product of two square matrices, of which one number comes back. */
interface Product {
  readonly side: number;
  /** The model, in base 64. */
  readonly model: string;
}

function product(side: number, precision: Precision): Product {
  const graph = trace({ x: { shape: [side, side] } }, ({ x }) => {
    const factor = cast(x, precision);
    return { y: max(cast(matmul(factor, factor), 'float32')) };
  });
  const { bytes } = encodeModel(graph, (file) => file);
  return { side, model: Buffer.from(bytes).toString('base64') };
}

/** The first shows that the device works, on the second a fast one is not held up by being called, the third is in half. */
const products = () => [product(256, 'float32'), product(1536, 'float32'), product(256, 'float16')];
/** Operations per second under which the second product is left out. No processor is slower. */
const SLOW = 3e9;

/**
 * Makes sessions, runs them, and prints what came of it as JSON. Plain text, since it runs outside of whatever translates our
 * sources. The matrices are such that their product equals them.
 */
const SCRIPT = `
const [runtime, device, ...rest] = process.argv.slice(1);
const { InferenceSession, Tensor, listSupportedBackends } = require(runtime);
const [products, slow] = rest.map((text) => JSON.parse(text));
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
  const [small, large, inHalf] = products;
  let flops = await measure(small);
  if (flops > slow) flops = Math.max(flops, await measure(large));
  const half = await measure(inHalf).then(() => true, () => false);
  say({ flops, half });
})().catch((error) => say({ error: String(error && error.message) })).finally(() => process.exit());
`;

/** Whether `device` works, and how fast it is. */
export async function probe(device: Device): Promise<DeviceState> {
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-node');
  const args = [runtime, device, JSON.stringify(products()), String(SLOW)];
  const { stdout, stderr, signal } = await output(['-e', SCRIPT, ...args]);
  if (signal) {
    const why = signal === 'SIGTERM' ? `did not answer within ${TIMEOUT_MS / 1e3} s` : `crashed (${signal})`;
    return { works: false, reason: `its driver ${why}` };
  }
  const said = parsed(stdout);
  if (said.flops !== undefined) return { works: true, flops: said.flops, half: said.half === true };
  return {
    works: false,
    reason: whatIsMissing(device, said.error ?? 'the test program gave no answer', stderr),
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
  /** What ended it, unless it ended by itself. */
  readonly signal?: string;
}

function output(args: readonly string[]): Promise<Output> {
  // What this process was started with (a loader of sources, an inspector) is none of the other's business.
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve({ stdout, stderr, signal: error?.signal ?? undefined }),
    );
  });
}

/** ONNX Runtime's complaint as what a person would have to install. */
export function whatIsMissing(device: Device, error: string, stderr: string): string {
  if (error.includes('not in this build')) {
    const where = device === 'cuda' ? '; it exists for Linux on x64' : '';
    return `ONNX Runtime for ${process.platform}/${process.arch} is built without it${where}`;
  }
  if (/adapter|vulkan/i.test(error)) {
    return 'no graphics driver with Vulkan, Metal or Direct3D 12 was found (on Linux: libvulkan1 and the Vulkan driver of the card)';
  }
  // The error itself only says that a library was not loaded; which one stands in what was printed.
  const library = /(\S+): cannot open shared object file/.exec(stderr)?.[1]?.split('/').at(-1);
  if (library?.startsWith('libonnxruntime')) {
    return "ONNX Runtime's CUDA files are not installed (fetch them with: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false)";
  }
  if (library) return `the library ${library} is missing (CUDA 12 and cuDNN 9 are needed)`;
  if (/driver version is insufficient|no CUDA-capable device|CUDA failure (35|100)/i.test(error)) {
    return 'no NVIDIA card with a driver for CUDA 12 was found';
  }
  return error.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
}
