/**
 * @file The 32-bit Mersenne Twister, the engine of torch's CPU generator.
 * Reference: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), MT19937
 */

const SIZE = 624;
const SHIFT = 397;

/** Position of an engine in its stream. */
export interface TwisterState {
  readonly words: Uint32Array;
  readonly next: number;
}

/** Draws unsigned 32-bit words. */
export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** @param seed its lowest 32 bits count, as in torch */
  constructor(seed: number | bigint) {
    const state = this.#state;
    state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < SIZE; i++) {
      const before = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, before) + i;
    }
  }

  /** The next word, 0 to 2^32 - 1. */
  next(): number {
    if (this.#next === SIZE) this.#refill();
    let word = this.#state[this.#next++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  /** Its 624 words, and the one that comes next. */
  state(): TwisterState {
    return { words: this.#state.slice(), next: this.#next };
  }

  /** Goes on from a state. */
  restore({ words, next }: TwisterState): void {
    this.#state.set(words);
    this.#next = next;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const word = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % SIZE] ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
