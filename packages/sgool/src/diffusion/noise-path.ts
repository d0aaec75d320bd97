/**
 * @file The noise path, from pure noise to the clean image: how much clean latent and how much noise a latent holds at each point of it.
 *
 * At a level of the path a latent is `z = signal·x0 + noise·ε`, with x0 the clean latent and ε standard normal. The
 * variance-preserving schedule of DDPM is one path (schedule.ts: signal √ᾱ, noise √(1-ᾱ)); a rectified flow is another (signal
 * 1 - s, noise s). Samplers know this interface and nothing else of how a model was trained.
 */

/**
 * What a denoiser of a path gives: the noise ε, a velocity (`dz/dlevel` of a flow, or v of Salimans and Ho 2022), which is
 * defined where signal is 0, too, or the clean latent.
 */
export type Predicted = 'noise' | 'velocity' | 'clean';

/** Weights of a sum over a latent and the prediction at it: `latent·z + prediction·p`. */
export interface Combination {
  readonly latent: number;
  readonly prediction: number;
}

/** A step of a sampler: `z' = latent·z + prediction·p + freshNoise·n`, n standard normal. */
export interface StepCoefficients extends Combination {
  /** Standard deviation of the fresh noise; 0 for a deterministic step. */
  readonly freshNoise: number;
}

/**
 * The two kinds of path: `variance-preserving`, whose signal² and noise² add up to 1 (DDPM, Stable Diffusion), and `rectified-flow`,
 * whose signal and noise do (SD3, Flux).
 */
export type PathKind = 'variance-preserving' | 'rectified-flow';

/** Whose rule spreads the stops of a chain; the names are those of diffusers' schedulers. */
export type StopRule =
  | 'ddim'
  | 'edict'
  | 'euler'
  | 'euler-ancestral'
  | 'heun'
  | 'lms'
  | 'dpm-sde'
  | 'dpm-solver'
  | 'unipc'
  | 'lcm';

/** How the noise levels between the first and the last stop are spread, instead of by timesteps. */
export const SIGMA_SPREADS = ['karras', 'exponential', 'beta'] as const;
export type SigmaSpread = (typeof SIGMA_SPREADS)[number];

/** How timesteps are spread over the path: Lin et al. 2023, table 2. */
export type TimestepSpacing = 'leading' | 'trailing' | 'linspace';

/** Where the steps of a chain are on the noise path. */
export interface StopOptions {
  /** Default `ddim`. */
  readonly rule?: StopRule;
  /** Default: what the scheduler's file says, else the rule's own. */
  readonly spacing?: TimestepSpacing;
  /** Whether the last step ends without noise or with the smallest of the path. Default: what the file says, else the rule's own. */
  readonly finalNoise?: 'zero' | 'smallest';
  /** Spread of the noise levels, for rules that have one. Default: what the file says. */
  readonly sigmas?: SigmaSpread;
  /**
   * Where a step of the rules `ddim` and `edict` ends if the number of steps does not divide the number of trained timesteps: at
   * the timestep that their published code computes from the step's own (`reference`, the default), or where the next step begins
   * (`next`).
   */
  readonly stepEnds?: StepEnds;
}

export const STEP_ENDS = ['reference', 'next'] as const;
export type StepEnds = (typeof STEP_ENDS)[number];

/** Where a chain stops, noisiest first. */
export interface Stops {
  /** The time that the network gets at each step. */
  readonly timesteps: readonly number[];
  /** The level where each step begins, and the one where the last step ends: one more than steps. */
  readonly levels: readonly number[];
  /** The level where each step ends, if that is not always where the next one begins. */
  readonly ends?: readonly number[];
  /** Factor on standard normal noise that makes the latent at the first stop. */
  readonly startScale: number;
  /** Factor on the latent at the last stop that makes the result. */
  readonly endScale: number;
}

/**
 * The path as an ordinary differential equation `dy/dtime = slope` of `y = z / scale`: what solvers of higher order integrate, over a
 * time in which the solution is nearly straight.
 */
export interface PathOde {
  scale(level: number): number;
  time(level: number): number;
  /** From a latent z, not y, and the prediction at it. */
  slope(level: number): Combination;
  /** The level of a time. */
  level(time: number): number;
}

/**
 * A path from noise to image. A level is a number that names a point of the path, in the path's own unit: ᾱ for the
 * variance-preserving one, s (σ) for a rectified flow.
 */
export interface NoisePath {
  /** Samplers whose formula holds on one kind only are refused on the other by it. */
  readonly kind: PathKind;
  /** The keys of `scheduler_config.json`, for samplers that have some of their own. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What denoisers of this path predict. */
  readonly predicts: Predicted;
  /** The level of a time that a network gets. */
  level(timestep: number): number;
  /** The level of a σ = noise / signal. */
  levelOfRatio(ratio: number): number;
  /** The time that a network gets at a σ, with fractions. */
  timestepOfRatio(ratio: number): number;
  /** Factor on the clean latent at a level. */
  signal(level: number): number;
  /** Factor on the noise at a level. */
  noise(level: number): number;
  /** The clean latent x0 that a prediction implies. Not finite where it implies none. */
  cleanLatent(level: number): Combination;
  /** The noise ε that a prediction implies. */
  noisePart(level: number): Combination;
  /**
   * The step between two levels that keeps x0 and ε as predicted: DDIM's, which for a rectified flow is Euler's.
   *
   * @param eta share of the noise that is drawn afresh: 0 (none, the default) to 1 (as much as DDPM, an ancestral step)
   */
  step(from: number, to: number, eta?: number): StepCoefficients;
  readonly ode: PathOde;
  /** The stops of a chain of `steps` steps. @throws UserError where there cannot be that many */
  stops(steps: number, options?: StopOptions): Stops;
}

/** The time that a network gets at a level, with fractions. */
export const timestepAt = (path: NoisePath, level: number): number =>
  path.timestepOfRatio(path.noise(level) / path.signal(level));

/** Where a step ends. */
export const endOf = ({ levels, ends }: Pick<Stops, 'levels' | 'ends'>, step: number): number =>
  ends?.[step] ?? levels[step + 1];
