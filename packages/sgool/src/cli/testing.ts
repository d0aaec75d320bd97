/** @file A fake model, fake methods, and a host that records what was written, for tests of the command line. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import { detailMethod } from '../methods/detail/detail-image.ts';
import { refinement } from '../methods/edit/refine.ts';
import { detailedMethods, methods } from '../methods/index.ts';
import { shownFrames } from '../methods/run/frames.ts';
import type { Iteration } from '../methods/run/iteration.ts';
import type { Method } from '../methods/run/method.ts';
import { dot } from '../numbers.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import { readSeed } from '../random/seed.ts';
import { centreDetector } from '../saliency/simple-detectors.ts';
import { spectralResidual } from '../saliency/spectral-residual.ts';
import { runCli } from './cli.ts';
import type { Engine } from './engine.ts';
import type { EndSignal, Host } from './host.ts';
import { readOnce } from './standard-input.ts';
import { Terminal } from './terminal/terminal.ts';

const SIDE = 32;

/** A disc on a ground that changes with the iteration; in each frame of a clip a pixel further to the right. */
export function discImage(iteration: number, side = SIDE, frame = 0): Image {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = (x - frame - side / 3) ** 2 + (y - side / 2) ** 2 < (side / 5) ** 2;
      data.set(inside ? [220, 60, 50] : [80 + 15 * iteration, 150, 220 - 15 * iteration], 3 * (y * side + x));
    }
  }
  return { width: side, height: side, data };
}

/** The vocabulary of the fake model and its CLIPs lacks dragons. */
const unknownIn = (text: string) => [...new Set(text.match(/\bdragons?\b/g) ?? [])];

/** A CLIP that sees the mean colour of an image, and that of its name in every text. */
function fakeCritic(name: string, maxTokens: number): ClipCritic {
  const embedImage: ClipCritic['embedImage'] = async ({ data }) => {
    const colour = [0, 1, 2].map((c) => data.reduce((sum, value, i) => (i % 3 === c ? sum + value : sum), 0));
    return Float32Array.from(colour, (value) => value / Math.hypot(...colour));
  };
  const embedText = async () => (name === 'clip' ? Float32Array.of(1, 0, 0) : Float32Array.of(0, 0.6, 0.8));
  return {
    name,
    config: { projection_dim: 3 } as ClipCritic['config'],
    weights: {} as ClipCritic['weights'],
    bytes: 0,
    // Any file: its hash is that of the weights.
    files: [fileURLToPath(new URL(name === 'clip' ? './host.ts' : './version.ts', import.meta.url))],
    side: SIDE,
    fit(text) {
      const { length } = text.split(/\s+/);
      const kept = Math.min(length, maxTokens);
      return { kept, lost: length - kept, truncated: length > kept, unknown: unknownIn(text) };
    },
    embedText,
    embedImage,
    score: async (image) => 100 * dot(await embedImage(image), await embedText()),
  };
}

/** An image that comes out as NaN. */
export function failToMake(): never {
  throw new UserError('unet: not finite');
}

export interface FakeOptions {
  /** Called before each iteration is yielded; may throw or wait. */
  readonly before?: (iteration: number, signal?: AbortSignal) => void | Promise<void>;
  /** Scores of CLIP A by iteration. */
  readonly scores?: readonly number[];
  readonly openError?: Error;
  /** Length of a prompt, in words, that is not cut off. */
  readonly maxTokens?: number;
  /** File whose hash names the model. */
  readonly weightsPath?: string;
  /** Whether the model is one for inpainting. */
  readonly paintsMask?: boolean;
  /** Whether the model makes clips, of 4 frames if nothing is said. */
  readonly moves?: boolean;
}

/** A model without networks, and methods with the settings of the real ones that yield one disc after the other. */
export function fakeEngine({
  before,
  scores = [],
  openError,
  maxTokens = 75,
  weightsPath,
  paintsMask = false,
  moves = false,
}: FakeOptions = {}): Engine {
  const model: Pipeline['model'] = {
    name: 'toybox',
    // A folder without any file of a model.
    dir: fileURLToPath(new URL('.', import.meta.url)),
    width: SIDE,
    height: SIDE,
    scaleFactor: 8,
    sizeMultiple: 8,
    latentChannels: 4,
    paintsMask,
    ...(moves ? { motion: { frames: 4, mostFrames: 8, fps: 8 } } : {}),
    has: { clip: true, clipB: true, transalnet: false },
    hint: {},
    ...(weightsPath === undefined ? {} : { weightsPath }),
  };
  const pipeline: Pick<
    Pipeline,
    'model' | 'meter' | 'critic' | 'reporter' | 'checkPrompt' | 'score' | 'detector' | 'dispose'
  > = {
    model,
    meter: { flops: 0, compileSeconds: 0, forgetResults() {} },
    critic: async () => fakeCritic('clip', maxTokens),
    reporter: async () => fakeCritic('clip_b', maxTokens),
    checkPrompt(prompt) {
      const tokens = prompt.split(/\s+/).filter((word) => word !== '');
      const lost = Math.max(0, tokens.length - maxTokens);
      return { tokens: tokens.slice(0, maxTokens), truncated: lost > 0, lost, unknown: unknownIn(prompt) };
    },
    score: async () => ({ A: 25.5, B: 24.25 }),
    detector: async (name) => (name === 'centre' ? centreDetector() : spectralResidual()),
    dispose: async () => {},
  };

  /** The method with short runs that compute nothing. */
  function faked<M extends Method>(real: M): M {
    const hasIterations = Object.hasOwn(real.settings, 'iterations');
    const short = { steps: 5, ...(hasIterations ? { iterations: 3 } : {}) };
    return {
      ...real,
      defaults: (...args: Parameters<Method['defaults']>) => ({ ...real.defaults(...args), ...short }),
      async *run(_pipeline, request, { signal, onStep, state, onState } = {}) {
        const iterations = hasIterations ? (request.iterations ?? 3) : 0;
        let most = (state?.parts.most as number | undefined) ?? Number.NEGATIVE_INFINITY;
        const seed = readSeed(request.seed) ?? 0;
        const first = state?.iteration ?? 0;
        for (let iteration = first; iteration <= iterations; iteration++) {
          if (iteration > first) await onState?.({ method: real.name, seed, iteration, parts: { most } });
          onStep?.({ iteration, iterations, phase: 'denoise', step: 1, steps: 5 });
          await before?.(iteration, signal);
          signal?.throwIfAborted();
          const A = scores[iteration] ?? 20 + iteration;
          const best = A > most;
          most = Math.max(most, A);
          yield {
            iteration,
            iterations,
            latent: new Float64Array(4),
            ...shownFrames(
              Array.from({ length: request.frames ?? 1 }, (_, frame) => discImage(iteration, SIDE, frame)),
              { fps: request.fps ?? 8 },
            ),
            ...((request.frames ?? 1) > 1 && {
              overFrames: { least: { A: A - 2, B: A - 3 }, consistency: 0.9, motion: 0.05 },
            }),
            ...(real.movesNoise ? { loss: { total: 1 / (1 + iteration), whole: 0.5, regions: 0.25 } } : {}),
            clip: { A, B: A - 1 },
            evaluations: { forward: 10 * (iteration + 1), pullback: 5 * iteration },
            seconds: { iteration: 0.01, total: 0.01 * (iteration + 1) },
            best,
            seed,
          } satisfies Iteration;
        }
      },
    };
  }

  const fakedAll = (some: Readonly<Partial<Record<string, unknown>>>) =>
    Object.fromEntries(Object.entries(some).map(([name, real]) => [name, faked(real as Method)]));
  /** Two words, two layers, the steps that were asked for; a map of the layer's size that rises from 0. */
  const mapAttention: Engine['mapAttention'] = async (_pipeline, request) => {
    const { seed, atSteps, tokens, guidanceScale } = request;
    const plain = methods.sd.defaults(model);
    const layers = [
      { name: 'down_blocks.1.attentions.0.transformer_blocks.0.attn2', heads: 2, rows: 4, columns: 4 },
      { name: 'mid_block.attentions.0.transformer_blocks.0.attn2', heads: 2, rows: 2, columns: 2 },
    ];
    const steps = (atSteps ?? '1,5').split(',').map(Number);
    const words = (tokens ?? 'red,cat').split(',').map((word, i) => ({ word, tokens: [i + 1] }));
    const mapOf = (size: number) => Float32Array.from({ length: size }, (_, i) => i / (2 * size));
    return {
      image: discImage(0),
      seed: readSeed(seed) ?? 0,
      settings: { ...plain, guidanceScale: guidanceScale ?? plain.guidanceScale },
      words,
      layers,
      steps,
      maps: steps.flatMap((step) =>
        layers.map((layer) => ({
          layer,
          step,
          timestep: 1000 - step,
          words: words.map(() => mapOf(layer.rows * layer.columns)),
        })),
      ),
    };
  };

  return {
    mapAttention,
    refinement: (source) => faked(refinement(source)),
    detailMethod: (image) => faked(detailMethod(image)),
    methods: fakedAll(methods) as Engine['methods'],
    detailedMethods: fakedAll(detailedMethods),
    separateEnhance: () => Promise.reject(new Error('the fake model has no weights to train')),
    chooseCompute: async ({ device = 'cpu', precision = 'float32' }) => ({
      device: device === 'auto' ? 'cpu' : device,
      precision,
    }),
    countEvaluations: async (_model, _options, { iterations }) => ({
      forward: 10 * (iterations + 1),
      pullback: 0,
    }),
    // Every iteration of every method costs the same.
    countOperations: async (_model, _options, { iterations }) => new Map([['unet', 10 * (iterations + 1)]]),
    openPipeline: async (name, { device = 'cpu', precision = 'float32' }) => {
      if (openError) throw openError;
      if (name !== 'toybox') throw new UserError(`model: unknown, got ${name}; choose one of toybox`);
      return { ...pipeline, compute: { device: device === 'auto' ? 'cpu' : device, precision } } as Pipeline;
    },
  };
}

export interface FakeHost extends Host {
  readonly written: { stdout: string; stderr: string };
  /** Simulates Ctrl-C, or another signal. */
  interrupt(signal?: EndSignal): void;
  /** Codes that the process was ended with. */
  readonly exits: number[];
}

export function fakeHost(
  cwd: string,
  {
    engine = fakeEngine(),
    env = {},
    isTTY = false,
    input = '',
  }: { engine?: Engine; env?: Host['env']; isTTY?: boolean; input?: string | Uint8Array } = {},
): FakeHost {
  const written = { stdout: '', stderr: '' };
  const exits: number[] = [];
  const listeners = new Set<(signal: EndSignal) => void>();
  const terminal = (name: keyof typeof written) =>
    new Terminal({
      write: (text) => {
        written[name] += typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
      },
      isTTY,
      columns: 100,
    });
  return {
    written,
    exits,
    interrupt: (signal = 'SIGINT') => {
      for (const listener of listeners) listener(signal);
    },
    stdout: terminal('stdout'),
    stderr: terminal('stderr'),
    env,
    cwd,
    onInterrupt(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    readInput: readOnce(async () => Buffer.from(input)),
    enter: async () => {},
    guard: () => () => {},
    exit: (code) => exits.push(code),
    now: () => new Date(2026, 10, 22, 12),
    loadEngine: async () => engine,
  };
}

/** The surroundings of a command line. */
export interface Setting {
  readonly env?: Host['env'];
  readonly isTTY?: boolean;
  readonly fake?: FakeOptions;
  /** The standard input. */
  readonly input?: string | Uint8Array;
  /** Gets the host before the command runs. */
  readonly onHost?: (host: FakeHost) => void;
}

/** Runs one command line in a folder, with the fake model and methods. */
export async function runOnFakes(
  cwd: string,
  argv: readonly string[],
  { env, isTTY, fake, input, onHost }: Setting = {},
) {
  const host = fakeHost(cwd, { engine: fakeEngine(fake), env, isTTY, input });
  onHost?.(host);
  const code = await runCli(argv, host);
  return { code, host, ...host.written };
}

/** Every command and subcommand with its words, as `models pull`. */
export async function everyCommand(): Promise<[words: string, command: Command][]> {
  const folder = new URL('./commands/', import.meta.url);
  const found: [string, Command][] = [];
  const collect = (command: Command, words: string) => {
    found.push([words, command]);
    for (const one of command.commands) collect(one, `${words} ${one.name()}`);
  };
  for (const file of readdirSync(folder).filter((name) => /^[\w-]+\.ts$/.test(name))) {
    const command = new Command(file.replace('.ts', ''));
    const { configure } = await import(/* @vite-ignore */ new URL(file, folder).href);
    configure(command, fakeHost('.'));
    collect(command, command.name());
  }
  return found;
}
