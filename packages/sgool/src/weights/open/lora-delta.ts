/**
 * @file How LoRA and its relatives change one weight. Names of tensors are those of LyCORIS.
 *
 * Reference: Hu et al. 2021, LoRA, section 4.1; Hyeon-Woo et al. 2021, FedPara (LoHa), proposition 1 and 3; Yeh et al. 2023,
 * Navigating Text-To-Image Customization (LyCORIS), section 3; Liu et al. 2024, DoRA, equation 5; Liu et al. 2022, IA3, section
 * 3.3; KohakuBlueleaf/LyCORIS, lycoris/functional; huggingface/peft, tuners/lora/dora.py
 */
import { product } from '../../numbers.ts';
import { float32Of, valuesOf } from '../formats/tensor-views.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import type { LoraPart } from '../names/lora.ts';

/** The tensors of one changed module. */
export type LoraParts = Readonly<Partial<Record<LoraPart, WeightTensor>>>;

type Shape = readonly number[];

/** A way to change a weight. */
export interface DeltaRule {
  /** Parts that it needs; the first is the one that identifies it. */
  readonly needs: readonly (LoraPart | readonly LoraPart[])[];
  /** Parts that it may have besides. */
  readonly may?: readonly LoraPart[];
  /** The rank that alpha is divided by; undefined where alpha has no effect. */
  rank(parts: LoraParts): number | undefined;
  /** Whether the parts fit a weight of this shape. */
  fits(parts: LoraParts, shape: Shape): boolean;
  /** The change with factor 1, in the order of the weight. */
  delta(parts: LoraParts, base: WeightTensor): Float32Array;
}

/** A part that the rule needs, which is there wherever the rule runs. */
function part(parts: LoraParts, name: LoraPart): WeightTensor {
  const found = parts[name];
  if (found === undefined) throw new Error(`bug: the part ${name} is missing`);
  return found;
}

const numbers = (parts: LoraParts, name: LoraPart) => float32Of(part(parts, name));
const rest = (shape: Shape) => product(shape.slice(1));

/** [height, inner] · [inner, width]. */
function matmul(left: Float32Array, right: Float32Array, height: number, inner: number): Float32Array {
  const width = inner === 0 ? 0 : right.length / inner;
  const out = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    const target = out.subarray(row * width, (row + 1) * width);
    for (let k = 0; k < inner; k++) {
      const factor = left[row * inner + k];
      const line = right.subarray(k * width, (k + 1) * width);
      for (let i = 0; i < width; i++) target[i] += factor * line[i];
    }
  }
  return out;
}

function transposed(values: Float32Array, height: number, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) out[column * height + row] = values[row * width + column];
  }
  return out;
}

/**
 * A convolution from its core: out[o, i, k] = sum over p and q of left[p, o] · core[p, q, k] · right[q, i] (a CP or Tucker
 * decomposition).
 */
function fromCore(
  core: Float32Array,
  [first, second]: Shape,
  left: Float32Array,
  right: Float32Array,
): Float32Array {
  const places = core.length / (first * second);
  const outputs = left.length / first;
  const inputs = right.length / second;
  // [p, q·k] mixed over p, then for each output [q, k] mixed over q.
  const mixed = matmul(transposed(left, first, outputs), core, outputs, first);
  const across = transposed(right, second, inputs);
  const out = new Float32Array(outputs * inputs * places);
  for (let row = 0; row < outputs; row++) {
    const plane = mixed.subarray(row * second * places, (row + 1) * second * places);
    out.set(matmul(across, plane, inputs, second), row * inputs * places);
  }
  return out;
}

const sameSize = (tensor: WeightTensor, shape: Shape) => product(tensor.shape) === product(shape);

const LORA: DeltaRule = {
  needs: ['down', 'up'],
  may: ['mid'],
  rank: (parts) => part(parts, 'down').shape[0],
  fits(parts, shape) {
    const [down, up] = [part(parts, 'down'), part(parts, 'up')];
    const [rank] = down.shape;
    if (!(rank > 0) || up.shape[0] !== shape[0] || product(up.shape) !== shape[0] * (up.shape[1] ?? 0))
      return false;
    if (parts.mid === undefined) {
      return up.shape[1] === rank && product(down.shape) * shape[0] === product(shape) * rank;
    }
    const [first, second, ...places] = parts.mid.shape;
    return (
      first === up.shape[1] &&
      second === rank &&
      product(down.shape) === rank * shape[1] &&
      product(places) === product(shape.slice(2))
    );
  },
  delta(parts, { shape }) {
    const [down, up] = [numbers(parts, 'down'), numbers(parts, 'up')];
    const [rank] = part(parts, 'down').shape;
    if (parts.mid === undefined) return matmul(up, down, shape[0], rank);
    const middle = parts.mid;
    return fromCore(float32Of(middle), middle.shape, transposed(up, shape[0], middle.shape[0]), down);
  },
};

/** An embedding's table is stored by word, its change by PEFT the other way round. */
const EMBEDDING: DeltaRule = {
  needs: ['embedding_down', 'embedding_up'],
  rank: (parts) => part(parts, 'embedding_down').shape[0],
  fits(parts, [words, width]) {
    const [down, up] = [part(parts, 'embedding_down').shape, part(parts, 'embedding_up').shape];
    return down[0] === up[1] && down[1] === words && up[0] === width;
  },
  delta(parts, { shape: [words, width] }) {
    const [rank] = part(parts, 'embedding_down').shape;
    const both = matmul(numbers(parts, 'embedding_up'), numbers(parts, 'embedding_down'), width, rank);
    return transposed(both, width, words);
  },
};

/** One of the two factors of a Hadamard product. */
function hadamardFactor(parts: LoraParts, which: 1 | 2, shape: Shape): Float32Array {
  const [a, b] = [part(parts, `hada_w${which}_a`), part(parts, `hada_w${which}_b`)];
  const core = parts[`hada_t${which}`];
  if (core === undefined) return matmul(float32Of(a), float32Of(b), shape[0], b.shape[0]);
  return fromCore(float32Of(core), core.shape, float32Of(a), float32Of(b));
}

const LOHA: DeltaRule = {
  needs: ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b'],
  may: ['hada_t1', 'hada_t2'],
  rank: (parts) => part(parts, 'hada_w1_b').shape[0],
  fits: (parts, shape) =>
    ([1, 2] as const).every((which) => {
      const [a, b] = [part(parts, `hada_w${which}_a`).shape, part(parts, `hada_w${which}_b`).shape];
      const core = parts[`hada_t${which}`]?.shape;
      if ((parts.hada_t1 === undefined) !== (parts.hada_t2 === undefined)) return false;
      if (core === undefined) return a[0] === shape[0] && a[1] === b[0] && rest(b) === rest(shape);
      return (
        core[0] === a[0] &&
        core[1] === b[0] &&
        rest(a) === shape[0] &&
        rest(b) === shape[1] &&
        product(core.slice(2)) === product(shape.slice(2))
      );
    }),
  delta(parts, { shape }) {
    const out = hadamardFactor(parts, 1, shape);
    const second = hadamardFactor(parts, 2, shape);
    for (let i = 0; i < out.length; i++) out[i] *= second[i];
    return out;
  },
};

/** Rows and columns of the first factor of a Kronecker product. */
function smallShape(parts: LoraParts): Shape {
  if (parts.lokr_w1 !== undefined) return parts.lokr_w1.shape;
  return [part(parts, 'lokr_w1_a').shape[0], part(parts, 'lokr_w1_b').shape[1]];
}

/** Rows of the second factor. */
function bigRows(parts: LoraParts): number {
  if (parts.lokr_w2 !== undefined) return parts.lokr_w2.shape[0];
  const a = part(parts, 'lokr_w2_a').shape;
  return parts.lokr_t2 === undefined ? a[0] : a[1];
}

function bigElements(parts: LoraParts): number {
  if (parts.lokr_w2 !== undefined) return product(parts.lokr_w2.shape);
  const b = part(parts, 'lokr_w2_b').shape;
  const places = parts.lokr_t2 === undefined ? 1 : product(parts.lokr_t2.shape.slice(2));
  return bigRows(parts) * rest(b) * places;
}

const LOKR: DeltaRule = {
  needs: [
    ['lokr_w1', 'lokr_w1_a'],
    ['lokr_w2', 'lokr_w2_a'],
  ],
  may: ['lokr_w1_b', 'lokr_w2_b', 'lokr_t2'],
  // Where both factors are whole there is no rank, and the factor is 1.
  rank: (parts) => parts.lokr_w2_b?.shape[0] ?? parts.lokr_w1_b?.shape[0],
  fits(parts, shape) {
    const pairs = (['lokr_w1', 'lokr_w2'] as const).every((name) => {
      if (parts[name] !== undefined) return true;
      const [a, b] = [parts[`${name}_a`]?.shape, parts[`${name}_b`]?.shape];
      if (a === undefined || b === undefined) return false;
      const core = name === 'lokr_w2' ? parts.lokr_t2?.shape : undefined;
      return core === undefined ? a[1] === b[0] : core[0] === a[0] && core[1] === b[0];
    });
    if (!pairs) return false;
    const [height, width] = smallShape(parts);
    return (
      height * bigRows(parts) === shape[0] &&
      shape[1] % width === 0 &&
      bigElements(parts) * height * width === product(shape)
    );
  },
  delta(parts, { shape }) {
    const [height, width] = smallShape(parts);
    const small =
      parts.lokr_w1 !== undefined
        ? float32Of(parts.lokr_w1)
        : matmul(
            numbers(parts, 'lokr_w1_a'),
            numbers(parts, 'lokr_w1_b'),
            height,
            part(parts, 'lokr_w1_b').shape[0],
          );
    const bigHeight = bigRows(parts);
    const core = parts.lokr_t2;
    let big: Float32Array;
    if (parts.lokr_w2 !== undefined) big = float32Of(parts.lokr_w2);
    else if (core !== undefined)
      big = fromCore(float32Of(core), core.shape, numbers(parts, 'lokr_w2_a'), numbers(parts, 'lokr_w2_b'));
    else {
      const [rank] = part(parts, 'lokr_w2_b').shape;
      big = matmul(numbers(parts, 'lokr_w2_a'), numbers(parts, 'lokr_w2_b'), bigHeight, rank);
    }
    // A row of the weight is, for each column of the small factor, the row of the big one (its columns and the kernel).
    const line = big.length / bigHeight;
    const out = new Float32Array(product(shape));
    for (let row = 0; row < shape[0]; row++) {
      const [upper, lower] = [Math.floor(row / bigHeight), row % bigHeight];
      for (let column = 0; column < width; column++) {
        const factor = small[upper * width + column];
        const at = (row * width + column) * line;
        for (let i = 0; i < line; i++) out[at + i] = factor * big[lower * line + i];
      }
    }
    return out;
  },
};

/** The difference itself: full training, and changes of norms. */
const FULL: DeltaRule = {
  needs: ['diff'],
  rank: () => undefined,
  fits: (parts, shape) => sameSize(part(parts, 'diff'), shape),
  delta: (parts) => Float32Array.from(numbers(parts, 'diff')),
};

/** A factor for each row, or for each input. */
const IA3: DeltaRule = {
  needs: ['on_input', 'factor'],
  rank: () => undefined,
  fits(parts, shape) {
    return product(part(parts, 'factor').shape) === shape[isOnInput(parts) ? 1 : 0];
  },
  delta(parts, base) {
    const out = Float32Array.from(float32Of(base));
    const factors = numbers(parts, 'factor');
    const row = rest(base.shape);
    const places = product(base.shape.slice(2));
    const onInput = isOnInput(parts);
    for (let i = 0; i < out.length; i++) {
      out[i] *= factors[onInput ? Math.floor((i % row) / places) : Math.floor(i / row)];
    }
    return out;
  },
};

function isOnInput(parts: LoraParts): boolean {
  const [flag] = valuesOf(part(parts, 'on_input'));
  return Number(flag) !== 0;
}

/** The values that PEFT stored for modules that were trained whole (`modules_to_save`). */
const REPLACED: DeltaRule = {
  needs: ['weight'],
  rank: () => undefined,
  fits: (parts, shape) => sameSize(part(parts, 'weight'), shape),
  delta(parts, base) {
    const out = Float32Array.from(numbers(parts, 'weight'));
    const old = float32Of(base);
    for (let i = 0; i < out.length; i++) out[i] -= old[i];
    return out;
  },
};

const RULES: readonly DeltaRule[] = [LORA, EMBEDDING, LOHA, LOKR, IA3, FULL, REPLACED];

/** Parts that go with any rule. */
const COMMON: readonly LoraPart[] = ['alpha', 'dora_scale', 'magnitude', 'diff_b', 'up_bias', 'bias'];

/** What a set of parts is. */
export interface FoundRule {
  readonly rule?: DeltaRule;
  /** Parts that are there but that the rule has no use for. */
  readonly unused: readonly LoraPart[];
  /** A part that is missing. */
  readonly missing?: string;
}

/** The rule that a module's parts follow; none where only its bias changes. */
export function ruleOf(parts: LoraParts): FoundRule {
  const names = Object.keys(parts) as LoraPart[];
  const has = (need: LoraPart | readonly LoraPart[]) =>
    (typeof need === 'string' ? [need] : need).some((name) => parts[name] !== undefined);
  const started = RULES.filter(({ needs }) => needs.some(has));
  const rule = started.find(({ needs }) => needs.every(has)) ?? started[0];
  const own = rule === undefined ? [] : [...rule.needs.flat(), ...(rule.may ?? [])];
  const unused = names.filter((name) => !own.includes(name) && !COMMON.includes(name));
  const missing = rule?.needs.find((need) => !has(need));
  return { rule, unused, ...(missing === undefined ? {} : { missing: String(missing) }) };
}

/** Sums of squares in double precision along one side of a matrix [rows, columns, places]. */
function norms(values: Float32Array, shape: Shape, axis: 0 | 1): Float64Array {
  const row = rest(shape);
  const places = product(shape.slice(2));
  const out = new Float64Array(shape[axis]);
  for (let i = 0; i < values.length; i++) {
    out[axis === 0 ? Math.floor(i / row) : Math.floor((i % row) / places)] += values[i] ** 2;
  }
  return out.map(Math.sqrt);
}

/** Whether a magnitude belongs to the rows (0) or the inputs (1) of a weight, or to neither. */
export function magnitudeAxis(magnitude: WeightTensor, shape: Shape): 0 | 1 | undefined {
  const count = product(magnitude.shape);
  // Of square weights the place of the long axis tells; PEFT's convolutions have [1, rows, 1, 1].
  const isFirst = magnitude.shape[0] === count;
  if (count === shape[0] && (isFirst || count !== shape[1])) return 0;
  return count === shape[1] ? 1 : undefined;
}

const EPSILON_32 = 2 ** -23;

/**
 * The changed weight: base + strength · scale · delta. With a magnitude its rows (or inputs) are given that length:
 * LyCORIS's `dora_scale` interpolates the factor by the strength, PEFT's `magnitude` does not.
 */
export function mergedWeight(
  base: WeightTensor,
  rule: DeltaRule,
  parts: LoraParts,
  scale: number,
  strength: number,
): Float32Array {
  const { shape } = base;
  const out = Float32Array.from(float32Of(base));
  const delta = rule.delta(parts, base);
  const direct = parts.dora_scale === undefined ? scale * strength : scale;
  for (let i = 0; i < out.length; i++) out[i] += direct * delta[i];
  const magnitude = parts.dora_scale ?? parts.magnitude;
  if (magnitude === undefined) return out;
  const axis = parts.dora_scale === undefined ? 0 : (magnitudeAxis(magnitude, shape) ?? 0);
  const lengths = norms(out, shape, axis);
  const wanted = float32Of(magnitude);
  const factors = Float64Array.from(lengths, (length, i) => {
    if (parts.dora_scale === undefined) return wanted[i] / length;
    return strength * (wanted[i] / (length + EPSILON_32) - 1) + 1;
  });
  const row = rest(shape);
  const places = product(shape.slice(2));
  for (let i = 0; i < out.length; i++) {
    out[i] *= factors[axis === 0 ? Math.floor(i / row) : Math.floor((i % row) / places)];
  }
  return out;
}

/** The changed bias: differences are added, a bias that PEFT stored replaces the old one. */
export function mergedBias(
  base: WeightTensor,
  parts: LoraParts,
  scale: number,
  strength: number,
): Float32Array {
  const out = Float32Array.from(float32Of(base));
  const addAll = (tensor: WeightTensor | undefined, factor: number) => {
    if (tensor === undefined) return;
    const values = float32Of(tensor);
    for (let i = 0; i < out.length; i++) out[i] += factor * values[i];
  };
  if (parts.bias !== undefined) {
    const values = float32Of(parts.bias);
    for (let i = 0; i < out.length; i++) out[i] += strength * (values[i] - out[i]);
  }
  addAll(parts.diff_b, strength);
  addAll(parts.up_bias, strength * scale);
  return out;
}
