/** @file torch's CPU generator: the numbers of `torch.manual_seed(seed)`, bit for bit. */

import { log32, sinCos32 } from './float32-math.ts';
import { MersenneTwister, type TwisterState } from './mersenne-twister.ts';
import { checkSeed, countOf, rangeOf } from './shape.ts';

const f32 = Math.fround;

const TWO_PI_32 = f32(2 * Math.PI);
/** From this range on torch draws 64 bits for a whole number. */
const WIDE_RANGE = 2 ** 28;
/** From this length on torch draws 64 bits for each step of a permutation. */
const LONG_PERMUTATION = Math.floor((2 ** 32 - 1) / 20);

/** Box-Muller on 16 uniform numbers from `at`: eight radii, then eight angles. Single precision throughout. */
function normalBlock32(values: Float32Array, at: number): void {
  for (let i = at; i < at + 8; i++) {
    const radius = f32(Math.sqrt(f32(-2 * log32(f32(1 - values[i])))));
    const [sine, cosine] = sinCos32(f32(TWO_PI_32 * values[i + 8]));
    values[i] = radius * cosine + 0; // torch adds the mean, which makes -0 to 0
    values[i + 8] = radius * sine + 0;
  }
}

function normalBlock64(values: Float64Array, at: number): void {
  for (let i = at; i < at + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle) + 0;
    values[i + 8] = radius * Math.sin(angle) + 0;
  }
}

/** Position of a {@link Generator} in its stream. */
export interface GeneratorState {
  readonly engine: TwisterState;
  /** The second of a pair of normal numbers, if it has not been given out. */
  readonly spareNormal?: number;
}

/**
 * A stream of random numbers, the same as torch's CPU generator gives after `torch.manual_seed(seed)`, in the same
 * order of calls.
 *
 * float32 numbers are bit for bit those of torch on x86 machines with AVX2. On other machines torch itself differs in the last
 * bit.
 */
export class Generator {
  readonly #engine: MersenneTwister;
  /** Below 16 numbers torch draws pairs of normal numbers and keeps the second for the next call. */
  #spareNormal: number | undefined;

  /** @param seed a whole number; as in torch its lowest 32 bits count */
  constructor(seed: number | bigint) {
    checkSeed(seed);
    this.#engine = new MersenneTwister(seed);
  }

  /** Its position in the stream. */
  state(): GeneratorState {
    return { engine: this.#engine.state(), spareNormal: this.#spareNormal };
  }

  /** Goes on from a position, of a generator of any seed. */
  restore({ engine, spareNormal }: GeneratorState): void {
    this.#engine.restore(engine);
    this.#spareNormal = spareNormal;
  }

  /** 24 random bits over 2^24. */
  #uniform32(): number {
    return (this.#engine.next() & 0xffffff) / 2 ** 24;
  }

  /** 53 random bits over 2^53; the high word is drawn first. */
  #uniform64(): number {
    const high = this.#engine.next() & 0x1fffff;
    return (high * 2 ** 32 + this.#engine.next()) / 2 ** 53;
  }

  #word64(): bigint {
    const high = BigInt(this.#engine.next());
    return (high << 32n) | BigInt(this.#engine.next());
  }

  #normalSingly(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const angle = 2 * Math.PI * this.#uniform64();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform64()));
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `torch.rand(shape)`: uniform in [0, 1), row-major. */
  rand(shape: readonly number[]): Float32Array<ArrayBuffer> {
    return new Float32Array(countOf(shape)).map(() => this.#uniform32());
  }

  /** `torch.rand(shape, dtype=torch.float64)`: uniform in [0, 1). */
  rand64(shape: readonly number[]): Float64Array<ArrayBuffer> {
    return new Float64Array(countOf(shape)).map(() => this.#uniform64());
  }

  /**
   * `torch.randn(shape)`: standard normal, row-major.
   *
   * From 16 numbers on torch works in blocks of 16; when the count is not a multiple of 16, the last 16 numbers are
   * drawn again. Below 16 it draws one at a time in double precision.
   */
  randn(shape: readonly number[]): Float32Array<ArrayBuffer> {
    const count = countOf(shape);
    if (count < 16) return new Float32Array(count).map(() => this.#normalSingly());
    const values = this.rand(shape);
    for (let at = 0; at + 16 <= count; at += 16) normalBlock32(values, at);
    if (count % 16 !== 0) {
      values.set(this.rand([16]), count - 16);
      normalBlock32(values, count - 16);
    }
    return values;
  }

  /**
   * `torch.randn(shape, dtype=torch.float64)`: standard normal. The stream is torch's; single values may differ from
   * torch in the last bits, because the logarithm and the sine are those of the JavaScript engine.
   */
  randn64(shape: readonly number[]): Float64Array<ArrayBuffer> {
    const count = countOf(shape);
    if (count < 16) return new Float64Array(count).map(() => this.#normalSingly());
    const values = this.rand64(shape);
    for (let at = 0; at + 16 <= count; at += 16) normalBlock64(values, at);
    if (count % 16 !== 0) {
      values.set(this.rand64([16]), count - 16);
      normalBlock64(values, count - 16);
    }
    return values;
  }

  /**
   * `torch.randint(low, high, shape)`: whole numbers from `low` to `high - 1`.
   *
   * @throws RangeError when the range is empty or wider than 2^53
   */
  randint(low: number, high: number, shape: readonly number[]): Float64Array<ArrayBuffer> {
    const range = rangeOf(low, high);
    const draw =
      range >= WIDE_RANGE
        ? () => Number(this.#word64() % BigInt(range)) + low
        : () => (this.#engine.next() % range) + low;
    return new Float64Array(countOf(shape)).map(draw);
  }

  /** `torch.randperm(count)`: the numbers 0 to count - 1 in random order. */
  randperm(count: number): Int32Array<ArrayBuffer> {
    if (!Number.isSafeInteger(count) || count < 0 || count >= LONG_PERMUTATION) {
      throw new RangeError(
        `Generator.randperm: count must be from 0 to ${LONG_PERMUTATION - 1}, got ${count}`,
      );
    }
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i + 1 < count; i++) {
      const j = i + (this.#engine.next() % (count - i));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
