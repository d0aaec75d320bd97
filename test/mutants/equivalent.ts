/** @file Mutants that no test can notice, because the program does the same with them. `mutate.test.ts` checks that they still exist. */

/** Mutants of a file, and why the program does the same. */
export interface EquivalentMutants {
  /** Path from `packages/sgool/src`. */
  readonly file: string;
  readonly reason: string;
  /** The whole line without its indentation, the change, and which of several equal changes in the line it is. */
  readonly mutants: readonly (readonly [text: string, change: string, nth: number])[];
}

export const EQUIVALENT: readonly EquivalentMutants[] = [
  {
    file: 'fourier.ts',
    reason:
      'the last turn has nothing to exchange, or is a write or read beyond the end of a typed array does nothing',
    mutants: [
      ['for (let i = 1, j = 0; i < size; i++) {', 'i < size -> i <= size', 0],
      ['for (let i = 0; i < size; i++) {', 'i < size -> i <= size', 0],
    ],
  },
  {
    file: 'fourier.ts',
    reason: 'every pair is exchanged once, by whichever of its ends',
    mutants: [
      ['if (i < j) {', 'i < j -> i <= j', 0],
      ['if (i < j) {', 'i < j -> i >= j', 0],
    ],
  },
  {
    file: 'fourier.ts',
    reason: 'a write or read beyond the end of a typed array does nothing',
    mutants: [['for (let i = k; i < size; i += span) {', 'i < size -> i <= size', 0]],
  },
  {
    file: 'saliency/grad-cam.ts',
    reason: 'the batch is 1, so that the axis is broadcast back',
    mutants: [
      [
        "variant === 'grad-cam' ? mean(slope, { axes: [1], keepDims: true }) : plusPlus(activation, slope);",
        'true -> false',
        0,
      ],
      ['const overPatches = { axes: [1], keepDims: true } as const;', 'true -> false', 0],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'no difference of float32 numbers is 1e-6 exactly',
    mutants: [['if (high - low < FLAT) return low;', 'high - low < FLAT -> high - low <= FLAT', 0]],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'the value beyond the end is undefined, which is not salient',
    mutants: [
      [
        'for (let start = 0; start < data.length; start++) {',
        'start < data.length -> start <= data.length',
        0,
      ],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'any value below 0 is less than every column',
    mutants: [
      ['const component = { left: width, top: height, right: -1, bottom: -1, sum: 0 };', '1 -> (1 + 1)', 0],
      ['const component = { left: width, top: height, right: -1, bottom: -1, sum: 0 };', '1 -> 0', 0],
      ['const component = { left: width, top: height, right: -1, bottom: -1, sum: 0 };', '1 -> (1 + 1)', 1],
      ['const component = { left: width, top: height, right: -1, bottom: -1, sum: 0 };', '1 -> 0', 1],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'any value but 0 marks a pixel as seen',
    mutants: [
      ['seen[start] = 1;', '1 -> (1 + 1)', 0],
      ['seen[next] = 1;', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'rows beyond the map hold undefined, which is not salient',
    mutants: [
      [
        'for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {',
        'height - 1 -> height + 1',
        0,
      ],
      ['for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {', '1 -> 0', 1],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'a component is at least one pixel wide',
    mutants: [['const length = clamp(Math.round(Math.max(wanted, smallest)), 1, limit);', '1 -> 0', 0]],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'the first cut is better than any of these',
    mutants: [
      ['let best = { variance: -1, bin: 0 };', '-1 -> 1', 0],
      ['let best = { variance: -1, bin: 0 };', '1 -> (1 + 1)', 0],
      ['let best = { variance: -1, bin: 0 };', '1 -> 0', 0],
      ['let best = { variance: -1, bin: 0 };', '0 -> 1', 0],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'behind the last bin no pixel is left: the variance is not a number, which is no better',
    mutants: [['for (let bin = 1; bin < BINS; bin++) {', 'bin < BINS -> bin <= BINS', 0]],
  },
  {
    file: 'saliency/simple-detectors.ts',
    reason: 'a write or read beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < size; i++) data[i] = (planes[i] + planes[size + i] + planes[2 * size + i]) / 3;',
        'i < size -> i <= size',
        0,
      ],
    ],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason:
      'a write or read beyond the end of a typed array does nothing, or the next row is computed afterwards',
    mutants: [
      ['for (let i = 0; i < size; i++) {', 'i < size -> i <= size', 0],
      ['for (let i = 0; i < re.length; i++) {', 'i < re.length -> i <= re.length', 0],
      ['for (let i = 0; i < SIDE; i++) {', 'i < SIDE -> i <= SIDE', 0],
      ['for (let j = 0; j < SIDE; j++) matrix[i * SIDE + j] /= sum;', 'j < SIDE -> j <= SIDE', 0],
    ],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason: 'frequencies below the floor are rounding noise, with or without the factor 1',
    mutants: [
      [
        'const gain = amplitude[i] > floor ? Math.exp(log[i] - mean[i]) / amplitude[i] : 0;',
        'amplitude[i] > floor -> amplitude[i] >= floor',
        0,
      ],
      ['const gain = amplitude[i] > floor ? Math.exp(log[i] - mean[i]) / amplitude[i] : 0;', '0 -> 1', 0],
    ],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason: 'the transform back of a real image is real: its imaginary part is rounding noise',
    mutants: [
      [
        'return Float32Array.from(re, (value, i) => value * value + im[i] * im[i]);',
        'value * value + im[i] * im[i] -> value * value - im[i] * im[i]',
        0,
      ],
      [
        'return Float32Array.from(re, (value, i) => value * value + im[i] * im[i]);',
        'im[i] * im[i] -> im[i] / im[i]',
        0,
      ],
    ],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason: 'a constant in the log spectrum is a factor of the map, which is normalised',
    mutants: [['let sum = 0;', '0 -> 1', 0]],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason: 'the neighbourhood is symmetric',
    mutants: [
      ['sum += values[((y + dy + SIDE) % SIDE) * SIDE + ((x + dx + SIDE) % SIDE)];', 'y + dy -> y - dy', 0],
      ['sum += values[((y + dy + SIDE) % SIDE) * SIDE + ((x + dx + SIDE) % SIDE)];', 'x + dx -> x - dx', 0],
    ],
  },
  {
    file: 'saliency/spectral-residual.ts',
    reason: 'both factors of the smoothing change their sign',
    mutants: [
      [
        'sum += matrix[i * SIDE + j] = Math.exp(-((i - j) ** 2) / (2 * SMOOTHING ** 2));',
        'sum += matrix[i * SIDE + j] = Math.exp(-((i - j) ** 2) / (2 * SMOOTHING ** 2)) -> sum -= matrix[i * SIDE + j] = Math.exp(-((i - j) ** 2) / (2 * SMOOTHING ** 2))',
        0,
      ],
    ],
  },
  {
    file: 'objectives/objective.ts',
    reason: 'any number above 200 will do',
    mutants: [['const NO_CANDIDATE = 1000;', '1000 -> (1000 + 1)', 0]],
  },
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
    file: 'weights/formats/float16.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < out.length; i++) out[i] = halfFromBits(bits[i]);',
        'i < out.length -> i <= out.length',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 0],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 1],
      [
        'for (let i = 0; i < out.length; i++) bits[i] = halves[i] << 16;',
        'i < out.length -> i <= out.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/float16.ts',
    reason: 'at the border both formulas give the same',
    mutants: [
      ['const FLOAT16_OVERFLOW = 0x47800000;', '0x47800000 -> (0x47800000 + 1)', 0],
      ['const FLOAT16_MIN_NORMAL = 0x38800000;', '0x38800000 -> (0x38800000 + 1)', 0],
      [
        'if (magnitude >= FLOAT16_OVERFLOW) {',
        'magnitude >= FLOAT16_OVERFLOW -> magnitude > FLOAT16_OVERFLOW',
        0,
      ],
      [
        'if (magnitude >= FLOAT16_MIN_NORMAL) {',
        'magnitude >= FLOAT16_MIN_NORMAL -> magnitude > FLOAT16_MIN_NORMAL',
        0,
      ],
      [
        'else if (magnitude >= 0x400) bits[i] = sign',
        '((magnitude << 13) + 0x38000000); | magnitude >= 0x400 -> magnitude > 0x400',
        0,
      ],
      [
        'else if (magnitude >= 0x400) bits[i] = sign',
        '((magnitude << 13) + 0x38000000); | 0x400 -> (0x400 + 1)',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/float16.ts',
    reason: 'a 25th place holds less than half of the smallest number',
    mutants: [['if (shift > 24) return sign;', '24 -> (24 + 1)', 0]],
  },
  {
    file: 'weights/formats/gguf-blocks.ts',
    reason: 'what is written beyond a block, or read beyond the end of a typed array, goes nowhere',
    mutants: [
      ['for (let i = 0; i < 32; i++) {', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++) {', '32 -> (32 + 1)', 0],
      [
        'if (fifth !== undefined) value |= ((block[fifth + (i >> 3)] >> (i & 7)) & 1) << 4;',
        'fifth !== undefined -> true',
        0,
      ],
      ['for (let part = 0; part < 8; part++) {', 'part < 8 -> part <= 8', 0],
      ['for (let part = 0; part < 8; part++) {', '8 -> (8 + 1)', 0],
      ['for (let i = 0; i < 32; i++) {', 'i < 32 -> i <= 32', 1],
      ['for (let i = 0; i < 32; i++) {', '32 -> (32 + 1)', 1],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 0],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 0],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 1],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 1],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 2],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 2],
      ['for (let i = 0; i < 32; i++)', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++)', '32 -> (32 + 1)', 0],
      ['for (let part = 0; part < 8; part++) {', 'part < 8 -> part <= 8', 1],
      ['for (let part = 0; part < 8; part++) {', '8 -> (8 + 1)', 1],
      ['for (let i = 0; i < 32; i++) out[i] = scale * signed(block[2 + i]);', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++) out[i] = scale * signed(block[2 + i]);', '32 -> (32 + 1)', 0],
      ['for (let i = 0; i < count; i++) {', 'i < count -> i <= count', 0],
      [
        'decode(stored.subarray(i * bytes, (i + 1) * bytes), out.subarray(i * weights, (i + 1) * weights));',
        '1 -> (1 + 1)',
        0,
      ],
      [
        'decode(stored.subarray(i * bytes, (i + 1) * bytes), out.subarray(i * weights, (i + 1) * weights));',
        '1 -> (1 + 1)',
        1,
      ],
    ],
  },
  {
    file: 'weights/open/lora-delta.ts',
    reason: 'a write beyond the end of a typed array does nothing, or is written again by what follows',
    mutants: [
      ['for (let row = 0; row < height; row++) {', 'row < height -> row <= height', 0],
      ['for (let i = 0; i < width; i++) target[i] += factor * line[i];', 'i < width -> i <= width', 0],
      [
        'for (let column = 0; column < width; column++) out[column * height + row] = values[row * width + column];',
        'column < width -> column <= width',
        0,
      ],
      ['for (let row = 0; row < outputs; row++) {', 'row < outputs -> row <= outputs', 0],
      ['for (let i = 0; i < out.length; i++) out[i] *= second[i];', 'i < out.length -> i <= out.length', 0],
      ['for (let row = 0; row < shape[0]; row++) {', 'row < shape[0] -> row <= shape[0]', 0],
      ['for (let column = 0; column < width; column++) {', 'column < width -> column <= width', 0],
      [
        'for (let i = 0; i < line; i++) out[at + i] = factor * big[lower * line + i];',
        'i < line -> i <= line',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 0],
      ['for (let i = 0; i < out.length; i++) out[i] -= old[i];', 'i < out.length -> i <= out.length', 0],
      [
        'for (let i = 0; i < out.length; i++) out[i] += direct * delta[i];',
        'i < out.length -> i <= out.length',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 1],
      [
        'for (let i = 0; i < out.length; i++) out[i] += factor * values[i];',
        'i < out.length -> i <= out.length',
        0,
      ],
      [
        'for (let i = 0; i < out.length; i++) out[i] += strength * (values[i] - out[i]);',
        'i < out.length -> i <= out.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/open/lora-delta.ts',
    reason: 'only the first numbers of the longer part are used',
    mutants: [
      ['const target = out.subarray(row * width, (row + 1) * width);', '1 -> (1 + 1)', 0],
      ['const line = right.subarray(k * width, (k + 1) * width);', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'weights/formats/tensor-views.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < values.length; i++) values[i] *= factors[count === 1 ? 0 : Math.floor(i / row)];',
        'i < values.length -> i <= values.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/gguf.ts',
    reason: 'the first read is of some size, and read on',
    mutants: [['for (let length = 1e6; ; length *= 4) {', '1e6 -> (1e6 + 1)', 0]],
  },
  {
    file: 'weights/formats/gguf.ts',
    reason: 'of metadata, texts and numbers are shown; truth values are only passed over',
    mutants: [
      [
        'return view.getUint8(this.take(1)) !== 0;',
        'view.getUint8(this.take(1)) !== 0 -> view.getUint8(this.take(1)) === 0',
        0,
      ],
    ],
  },
  {
    file: 'weights/hub/file-names.ts',
    reason: 'no path begins with a slash: it would lead out of the folder, which is refused before',
    mutants: [
      [
        "for (let end = key.lastIndexOf('/'); end > 0; end = key.lastIndexOf('/', end - 1)) {",
        'end > 0 -> end >= 0',
        0,
      ],
    ],
  },
  {
    file: 'saliency/regions.ts',
    reason: 'without a component there is nothing that the least mass is compared with',
    mutants: [
      [
        'const least = map.boxes ? 0 : minMass * (components[0]?.sum ?? 0);',
        'components[0]?.sum ?? 0 -> components[0]?.sum',
        0,
      ],
    ],
  },
  {
    file: 'objectives/objective.ts',
    reason: 'of this sum only whether it is finite is looked at',
    mutants: [['planesTimesZero: sum(mul(decoded, 0)),', '0 -> 1', 0]],
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
    file: 'diffusion/beta-distribution.ts',
    reason: 'near the limit both forms converge',
    mutants: [['return x < (a + 1) / (a + b + 2)', '1 -> (1 + 1)', 0]],
  },
  {
    file: 'weights/open/open-clip-config.ts',
    reason: 'no number of a configuration is 1e-6 away from another one exactly',
    mutants: [
      [
        'wanted.every((one, i) => Math.abs(one - Number(value[i])) < 1e-6));',
        'Math.abs(one - Number(value[i])) < 1e-6 -> Math.abs(one - Number(value[i])) <= 1e-6',
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
