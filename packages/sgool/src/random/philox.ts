/**
 * @file torch's CUDA generator, computed on the CPU: Philox 4x32 with ten rounds.
 *
 * Reference: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; AUTOMATIC1111/stable-diffusion-webui,
 * modules/rng_philox.py; PyTorch, aten/src/ATen/native/cuda/DistributionTemplates.h.
 */
import { checkSeed, countOf, rangeOf } from './shape.ts';

const f32 = Math.fround;
const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const KEY_STEP_0 = 0x9e3779b9;
const KEY_STEP_1 = 0xbb67ae85;

const UNIT = 2 ** -32;
/** From this range on torch takes 64 bits for a whole number. */
const WIDE_RANGE = 2 ** 28;

type Words = [number, number, number, number];

/** The high 32 bits of a product of two unsigned words. */
function highProduct(a: number, b: number): number {
  const [aHigh, aLow] = [a >>> 16, a & 0xffff];
  const [bHigh, bLow] = [b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  // Each sum is below 2^32, so the shifts are those of whole words.
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** Philox 4x32-10: four random words for a counter of four words and a key of two. */
export function philox4x32(
  [a, b, c, d]: Readonly<Words>,
  [keyLow, keyHigh]: readonly [number, number],
): Words {
  let [k0, k1] = [keyLow, keyHigh];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highProduct(MULTIPLIER_0, a);
    const low0 = Math.imul(MULTIPLIER_0, a) >>> 0;
    const high1 = highProduct(MULTIPLIER_1, c);
    const low1 = Math.imul(MULTIPLIER_1, c) >>> 0;
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + KEY_STEP_0) >>> 0;
    k1 = (k1 + KEY_STEP_1) >>> 0;
  }
  return [a, b, c, d];
}

/**
 * A stream of random numbers as torch gives them on a CUDA device after `torch.manual_seed(seed)`, computed on the CPU.
 *
 * Every call has a counter of its own, and every number in it a thread of its own, as on a graphics card with at least as many
 * threads as there are numbers. `randn` has the values that AUTOMATIC1111's `rng_philox.py` (`RNG: NV`) publishes. Box-Muller is
 * computed in float64 here; a card (`RNG: GPU`) computes it in float32, and differs in the last bits.
 *
 * `rand` and `randint` are written from PyTorch's source and were not compared with a card: `rand` takes the first word of each
 * thread, with 1 as 0; `randint` the first word modulo the range, and from a range of 2^28 on the first two.
 */
export class PhiloxGenerator {
  readonly #key: readonly [number, number];
  #offset = 0;

  /** @param seed a whole number; as in torch its lowest 64 bits count */
  constructor(seed: number | bigint) {
    checkSeed(seed);
    const bits = BigInt.asUintN(64, BigInt(seed));
    this.#key = [Number(bits & 0xffffffffn), Number(bits >> 32n)];
  }

  /** How many calls were made so far. */
  state(): number {
    return this.#offset;
  }

  /** Goes on after so many calls. */
  restore(calls: number): void {
    this.#offset = calls;
  }

  /** The words of each of `count` threads for the next call. */
  #draw<T extends Float32Array | Float64Array>(values: T, number: (words: Words) => number): T {
    const offset = this.#offset++ >>> 0;
    for (let i = 0; i < values.length; i++) {
      values[i] = number(philox4x32([offset, 0, i >>> 0, 0], this.#key));
    }
    return values;
  }

  /** `torch.rand(shape, device='cuda')`: uniform in [0, 1), row-major. */
  rand(shape: readonly number[]): Float32Array<ArrayBuffer> {
    return this.#draw(new Float32Array(countOf(shape)), ([x]) => f32(f32(x) * UNIT + UNIT / 2) % 1);
  }

  /** `torch.randn(shape, device='cuda')`: standard normal, row-major. */
  randn(shape: readonly number[]): Float32Array<ArrayBuffer> {
    return this.#draw(new Float32Array(countOf(shape)), ([x, y]) => {
      const u = x * UNIT + UNIT / 2;
      const v = 2 * Math.PI * (y * UNIT + UNIT / 2);
      return Math.sqrt(-2 * Math.log(u)) * Math.sin(v);
    });
  }

  /**
   * `torch.randint(low, high, shape, device='cuda')`: whole numbers from `low` to `high - 1`.
   *
   * @throws RangeError when the range is empty or wider than 2^53
   */
  randint(low: number, high: number, shape: readonly number[]): Float64Array<ArrayBuffer> {
    const range = rangeOf(low, high);
    const wide = ([x, y]: Words) => Number(((BigInt(x) << 32n) | BigInt(y)) % BigInt(range));
    return this.#draw(new Float64Array(countOf(shape)), (words) =>
      range >= WIDE_RANGE ? wide(words) + low : (words[0] % range) + low,
    );
  }

  /**
   * The numbers 0 to count - 1 in random order, with whole numbers drawn as `randint` draws them. torch has another rule on a card, which was not
   * compared.
   */
  randperm(count: number): Int32Array<ArrayBuffer> {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i + 1 < count; i++) {
      const [j] = this.randint(i, count, [1]);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
