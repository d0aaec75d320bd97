/** @file Damages bytes, JSON and texts in the ways that find faults in readers. The same seed damages in the same way. */
import { Generator } from '../../src/random/generator.ts';

/** Values that no key expects, or few. */
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, '', 'a', '\u0000', '../../x', '__proto__', '\u001b[31m', 'é', '0', '1e9'],
  ...[
    0,
    -1,
    1,
    2,
    3,
    0.5,
    -0.5,
    7,
    64,
    1000,
    65536,
    2 ** 31,
    2 ** 32 + 1,
    2 ** 53,
    1e9,
    1e308,
    -1e308,
    1e-308,
    5e-324,
  ],
  ...[[], {}, [[]], [null], [0], [-1], ['a'], [1, 1], [1e9, 1e9], { a: 1 }, { '': null }],
];

/** Pieces of prompts and of texts with settings. */
const ODD_TEXTS = [
  ...[
    '(',
    ')',
    '[',
    ']',
    '((',
    '))',
    '{',
    '}',
    '<',
    '>',
    ':',
    '::',
    '|',
    ',',
    '\\',
    '\\(',
    '-',
    '+',
    '++',
    '--',
    '\n',
    '\t',
    ' ',
  ],
  ...[
    '1.3',
    ':1.3)',
    ':-1)',
    ':1e9)',
    ':NaN)',
    ':0.5]',
    ':10]',
    ' BREAK ',
    ' AND ',
    'AND',
    '<lora:a:1>',
    '<lora:',
    '<hypernet:b>',
  ],
  ...[
    '.and(',
    '.blend(',
    '"a", "b"',
    ')+',
    '^',
    '"',
    "'",
    '\u0000',
    '\u001b[2J',
    '\u200b',
    '\ud800',
    '😀',
    'é',
    'ﬁ',
    '&amp;',
    '&#0;',
    '&#x110000;',
  ],
  ...[
    'Steps: 20',
    'Seed: -1',
    'Size: 0x0',
    'Sampler: DDIM',
    'Negative prompt: ',
    'Lora hashes: "a: b"',
    '9'.repeat(400),
  ],
];

const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

/** A stream of damages. */
export class Mutator {
  private readonly random: Generator;

  constructor(seed: number) {
    this.random = new Generator(seed);
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.random.rand([1])[0] * limit);
  }

  /** One of the items. */
  pick<T>(items: ArrayLike<T>): T {
    return items[this.below(items.length)];
  }

  /** Wrong lengths, lost and repeated parts, other opcodes: one to four of them. */
  damage(bytes: Uint8Array): Uint8Array {
    let out: Uint8Array = new Uint8Array(bytes);
    for (let count = 1 + this.below(4); count > 0 && out.length > 0; count--) out = this.once(out);
    return out;
  }

  private once(bytes: Uint8Array): Uint8Array {
    const at = this.below(bytes.length);
    const length = Math.min(1 + this.below(24), bytes.length - at);
    const part = bytes.subarray(at, at + length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + length)];
    const out = new Uint8Array(bytes);
    switch (this.below(8)) {
      case 0:
        out[at] ^= 1 << this.below(8);
        return out;
      case 1:
        out[at] = this.below(256);
        return out;
      case 2:
        out.fill([0, 0xff, 0x80, 0x7f][this.below(4)], at, at + Math.min(length, 8));
        return out;
      case 3:
        return bytes.slice(0, at); // cut off
      case 4:
        return joined(before, after); // lost
      case 5:
        return joined(before, part, part, after); // twice
      case 6: {
        const from = this.below(bytes.length);
        return joined(before, bytes.subarray(from, from + length), after); // from elsewhere
      }
      default:
        out[at] = '()]}ltuseabcRQ.qrhj\x80\x81\x85\x86\x87\x8a\x93\x94'.charCodeAt(this.below(27));
        return out;
    }
  }

  /** Other values, lost, renamed and repeated keys; sometimes the bytes are damaged too. */
  damageJson(bytes: Uint8Array): Uint8Array {
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(bytes).toString('utf8'));
    } catch {
      return this.damage(bytes);
    }
    for (let count = 1 + this.below(4); count > 0; count--) value = this.changed(value);
    const out = new Uint8Array(Buffer.from(JSON.stringify(value) ?? 'null'));
    return this.below(6) === 0 ? this.damage(out) : out;
  }

  private changed(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return this.odd(value);
    const keys = Object.keys(value);
    if (keys.length === 0 || this.below(12) === 0) return this.odd(value);
    const key = this.pick(keys);
    if (Array.isArray(value)) {
      const out = [...value];
      const at = Number(key);
      const way = this.below(5);
      if (way === 0) out.splice(at, 1);
      else if (way === 1) out.splice(at, 0, out[at]);
      else out[at] = this.changed(out[at]);
      return out;
    }
    const entries = Object.entries(value).map(([name, old]): [string, unknown] => {
      if (name !== key) return [name, old];
      if (this.below(8) === 0)
        return [this.pick(['__proto__', 'constructor', '', `${name} `, name.toUpperCase()]), old];
      return [name, this.changed(old)];
    });
    const kept = this.below(8) === 0 ? entries.filter(([name]) => name !== key) : entries;
    // Not an object's own keys: `__proto__` must become one.
    const out: Record<string, unknown> = Object.create(null);
    for (const [name, item] of kept) out[name] = item;
    return out;
  }

  private odd(value: unknown): unknown {
    if (typeof value === 'number' && this.below(2) === 0)
      return value * this.pick([-1, 0, 0.5, 2, 10, 1e6, 1e-6]);
    if (typeof value === 'string' && this.below(2) === 0) return this.damageText(value);
    return this.below(20) === 0 ? nested(this.pick([2, 100, 3000])) : this.pick(ODD_VALUES);
  }

  /** Odd pieces, lost and repeated parts. */
  damageText(text: string): string {
    let out = text;
    for (let count = 1 + this.below(5); count > 0; count--) {
      const at = this.below(out.length + 1);
      const length = this.below(12);
      const part = out.slice(at, at + length);
      const [before, after] = [out.slice(0, at), out.slice(at + length)];
      const way = this.below(5);
      if (way === 0) out = before + after;
      else if (way === 1) out = before + part.repeat(1 + this.below(40)) + after;
      else if (way === 2)
        out =
          before +
          this.pick(ODD_TEXTS).repeat(1 + this.below(this.below(10) === 0 ? 2000 : 3)) +
          part +
          after;
      else out = before + this.pick(ODD_TEXTS) + part + after;
    }
    return out;
  }
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
