/** @file Mutants of `diffusion/` with which the program does the same. */
import type { EquivalentMutants } from './entry.ts';

export const DIFFUSION: readonly EquivalentMutants[] = [
  {
    file: 'diffusion/beta-distribution.ts',
    reason: 'one round more or less changes nothing that float64 holds',
    mutants: [
      ['const TERMS = 40;', '40 -> (40 + 1)', 0],
      ['const HALVINGS = 80;', '80 -> (80 + 1)', 0],
      ['for (let m = 1; m <= TERMS; m++) {', 'm <= TERMS -> m < TERMS', 0],
      ['for (let i = 0; i < HALVINGS; i++) {', '0 -> 1', 0],
      ['for (let i = 0; i < HALVINGS; i++) {', 'i < HALVINGS -> i <= HALVINGS', 0],
    ],
  },
  {
    file: 'diffusion/beta-distribution.ts',
    reason: 'at the limit both forms have converged',
    mutants: [
      ['return x < (a + 1) / (a + b + 2)', 'x < (a + 1) / (a + b + 2) -> x <= (a + 1) / (a + b + 2)', 0],
    ],
  },
  {
    file: 'diffusion/beta-distribution.ts',
    reason: 'a share that is met exactly is met by both halves',
    mutants: [
      [
        'if (betaShare(middle, a, b) < share) low = middle;',
        'betaShare(middle, a, b) < share -> betaShare(middle, a, b) <= share',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/beta-distribution.ts',
    reason: 'near the limit both forms converge',
    mutants: [['return x < (a + 1) / (a + b + 2)', '1 -> (1 + 1)', 0]],
  },
  {
    file: 'diffusion/lift-grid.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i] / spacing) * spacing;',
        'i < values.length -> i <= values.length',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/linear-stage.ts',
    reason: 'the prediction has weight 0 everywhere, so its gradient is 0',
    mutants: [['if (needsPrediction) {', 'needsPrediction -> true', 0]],
  },
  {
    file: 'diffusion/linear-stage.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < total.length; i++) total[i] += weight * term[i];',
        'i < total.length -> i <= total.length',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/samplers/dpm-sde.ts',
    reason: 'no σ between two stops is 1 exactly',
    mutants: [['if (next.sigma === 0) {', '0 -> 1', 0]],
  },
  {
    file: 'diffusion/samplers/dpm-solver.ts',
    reason: 'names of the new state need only differ: the next stage gives its own',
    mutants: [
      ['...Object.fromEntries(known.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'diffusion/samplers/lms.ts',
    reason: 'names of the new state need only differ: the next stage gives its own',
    mutants: [
      ['...Object.fromEntries(kept.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'diffusion/samplers/pndm.ts',
    reason: 'never read: the steps after the beginning know a prediction',
    mutants: [
      ['[1],', '1 -> (1 + 1)', 0],
      ['[1],', '1 -> 0', 0],
    ],
  },
  {
    file: 'diffusion/samplers/pndm.ts',
    reason: 'names of the new state need only differ: the next stage gives its own',
    mutants: [
      ['...Object.fromEntries(older.map((name, k) => [HISTORY[k + 1], { [name]: 1 }])),', '1 -> (1 + 1)', 0],
      ['...Object.fromEntries(kept.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'diffusion/samplers/pndm.ts',
    reason: 'both forms give the same number at the limit',
    mutants: [
      [
        '? whole.map((stop) => (stop < RUNGE_KUTTA_STEPS ? 4 * stop : 3 * RUNGE_KUTTA_STEPS + stop))',
        'stop < RUNGE_KUTTA_STEPS -> stop <= RUNGE_KUTTA_STEPS',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/samplers/sigma-points.ts',
    reason: 'a stage that multiplies by 1 changes nothing',
    mutants: [
      ['if (startScale === 1) return [];', 'startScale === 1 -> false', 0],
      ['if (startScale === 1) return [];', '1 -> (1 + 1)', 0],
      ['if (startScale === 1) return [];', '1 -> 0', 0],
    ],
  },
  {
    file: 'diffusion/samplers/tcd.ts',
    reason: 'without eta, and at the end of the chain, the ratio is 1',
    mutants: [
      [
        'const kept = isLast || eta === 0 ? 1 : path.signal(path.level(next)) / path.signal(below);',
        'isLast || eta === 0 -> isLast && eta === 0',
        0,
      ],
      [
        'const kept = isLast || eta === 0 ? 1 : path.signal(path.level(next)) / path.signal(below);',
        'isLast || eta === 0 -> false',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/samplers/unipc.ts',
    reason: 'names of the new state need only differ: the next stage gives its own',
    mutants: [
      [
        'known.slice(0, HISTORY.length - 1).map((name, i) => [HISTORY[i + 1], { [name]: 1 }]),',
        '1 -> (1 + 1)',
        1,
      ],
    ],
  },
  {
    file: 'diffusion/schedule.ts',
    reason: 'both compute the same step, with other roundings',
    mutants: [
      [
        "step: predictionType === 'epsilon' ? ddimStep : (from, to, eta) => composedStep(meaning, from, to, eta),",
        "predictionType === 'epsilon' -> false",
        0,
      ],
    ],
  },
  {
    file: 'diffusion/sparse-jacobian.ts',
    reason: 'a random number is not the share exactly',
    mutants: [
      [
        'if (uniform() >= share) return new Float64Array(latent.length);',
        'uniform() >= share -> uniform() > share',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/step-chain.ts',
    reason: 'a stage that multiplies by 1 changes nothing',
    mutants: [
      ['if (startScale !== 1) {', 'startScale !== 1 -> true', 0],
      ['if (startScale !== 1) {', '1 -> (1 + 1)', 0],
      ['if (startScale !== 1) {', '1 -> 0', 0],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'rounded to whole timesteps or float32 afterwards',
    mutants: [
      [
        'Array.from({ length: parts + 1 }, (_, i) => (i === parts ? last : i * (last / parts)));',
        'i === parts -> false',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'what is neither trailing nor leading is linspace',
    mutants: [
      [
        "const timesteps = dpmTimesteps(trained, steps, spacing ?? 'linspace', rule);",
        "spacing ?? 'linspace' -> spacing",
        0,
      ],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'an end on a whole timestep is taken before; any timestep below 0 is the end of the chain',
    mutants: [
      ['if (end < 0) return { timestep: -1 };', 'end < 0 -> end <= 0', 0],
      ['if (end < 0) return { timestep: -1 };', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'the call is for its check, which knows the number of steps only',
    mutants: [
      [
        "ddimTimesteps(trained, steps, trained.spacing ?? 'leading'); // refuses a number of steps that is out of range",
        "trained.spacing ?? 'leading' -> 'leading'",
        0,
      ],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'no log-SNR of a schedule is a round number',
    mutants: [
      [
        'while (used > 1 && -Math.log(noiseRatio(used - 1)) < least) used--;',
        '-Math.log(noiseRatio(used - 1)) < least -> -Math.log(noiseRatio(used - 1)) <= least',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'on a whole timestep both neighbours give it',
    mutants: [
      [
        'while (below < last - 1 && logarithm(below + 1) <= wanted) below++;',
        'logarithm(below + 1) <= wanted -> logarithm(below + 1) < wanted',
        0,
      ],
    ],
  },
  {
    file: 'diffusion/timestep-spacing.ts',
    reason: 'no timestep is 1e-9 exactly',
    mutants: [['.filter((value) => value > 1e-9)', 'value > 1e-9 -> value >= 1e-9', 0]],
  },
];
