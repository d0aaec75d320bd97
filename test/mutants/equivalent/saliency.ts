/** @file Mutants of `saliency/` with which the program does the same. */
import type { EquivalentMutants } from './entry.ts';

export const SALIENCY: readonly EquivalentMutants[] = [
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
];
