/**
 * @file A pickle machine that runs nothing: it builds plain values, and hands every name and call to a resolver that
 * knows the few that torch needs. Work and memory are limited, so that no pickle, however made, can exhaust either.
 *
 * Reference: CPython, Lib/pickletools.py (opcodes of protocols 0 to 5)
 */
import { UserError } from '../../../errors.ts';
import { Global, type PickleValue } from './pickle-values.ts';

/** Largest pickle that is read: a Stable Diffusion checkpoint with EMA copies and optimiser needs about 2 MB. */
export const MAX_PICKLE_BYTES = 32_000_000;
/** Operations, and items copied by calls; a tensor needs about forty. */
const MAX_WORK = 2_000_000;
/** Cost of a dictionary or set: it takes about ten times the memory of a number. */
const CONTAINER_WORK = 12;
const MAX_NAME = 400;
/** torch's magic number has ten bytes. */
const MAX_LONG_BYTES = 64;

/** The meaning of names, which the pickle machine leaves to its caller. Each method throws a UserError for unknown names. */
export interface PickleResolver {
  /** A class or function by its full name. */
  global(name: string): Global;
  /** A function or class called; `charge` counts work that grows with the arguments. */
  call(callee: Global, args: PickleValue[], charge: (items: number) => void): PickleValue;
  /** Sets an object's state. */
  build(target: PickleValue, state: PickleValue, charge: (items: number) => void): void;
  /** Resolves a reference to something outside the pickle: a storage. */
  persistent(id: PickleValue): PickleValue;
}

/** Shortens and quotes a piece of an untrusted file for a one-line message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 97)}...` : text);
}

class Machine {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly path: string;
  private readonly resolver: PickleResolver;
  private readonly memo = new Map<number, PickleValue>();
  private readonly marks: number[] = [];
  private readonly decoder = new TextDecoder('utf-8');
  private readonly charge = (items: number) => this.spend(items);
  private stack: PickleValue[] = [];
  private at: number;
  private work = 0;

  constructor(bytes: Uint8Array, start: number, path: string, resolver: PickleResolver) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.path = path;
    this.resolver = resolver;
  }

  private fail(what: string): never {
    throw new UserError(`${this.path}: not a valid pickle: ${what}`);
  }

  private spend(items: number): void {
    this.work += items;
    if (this.work > MAX_WORK) this.fail(`it needs more than ${MAX_WORK} operations`);
  }

  /** Skips the next bytes and returns their start. */
  private take(length: number): number {
    const from = this.at;
    if (length > this.bytes.length - from) {
      this.fail(`${length} bytes are needed at byte ${from} of ${this.bytes.length}; is it truncated?`);
    }
    this.at = from + length;
    return from;
  }

  private u8 = () => this.view.getUint8(this.take(1));
  private u16 = () => this.view.getUint16(this.take(2), true);
  private u32 = () => this.view.getUint32(this.take(4), true);

  private u64(): number {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value > BigInt(this.bytes.length)) this.fail(`a length of ${value} bytes`);
    return Number(value);
  }

  private text(length: number): string {
    const from = this.take(length);
    return this.decoder.decode(this.bytes.subarray(from, from + length));
  }

  private blob(length: number): Uint8Array {
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }

  private line(): string {
    const from = this.at;
    const end = this.bytes.subarray(from, from + MAX_NAME).indexOf(10);
    if (end < 0) this.fail(`no end of the line that starts at byte ${from}`);
    const line = this.text(end);
    this.take(1);
    return line;
  }

  /** A whole number of any length, little-endian two's complement. */
  private long(length: number): PickleValue {
    if (length > MAX_LONG_BYTES) this.fail(`a number of ${length} bytes, the limit is ${MAX_LONG_BYTES}`);
    let value = 0n;
    const digits = this.blob(length);
    for (let i = length - 1; i >= 0; i--) value = value * 256n + BigInt(digits[i]);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  private pop(): PickleValue {
    const value = this.stack.length > (this.marks.at(-1) ?? 0) ? this.stack.pop() : undefined;
    if (value === undefined) this.fail(`nothing on the stack at byte ${this.at - 1}`);
    return value;
  }

  private top(): PickleValue {
    const value = this.pop();
    this.stack.push(value);
    return value;
  }

  private popMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) this.fail(`no mark on the stack at byte ${this.at - 1}`);
    return this.stack.splice(mark);
  }

  /** The last `count` values in the order in which they were pushed. */
  private popMany(count: number): PickleValue[] {
    const values = Array.from({ length: count }, () => this.pop());
    return values.reverse();
  }

  private remember(index: number): void {
    this.memo.set(index, this.top());
  }

  private recall(index: number): PickleValue {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`the memo has no entry ${index}`);
    return value;
  }

  private container<T extends Map<PickleValue, PickleValue> | Set<PickleValue>>(value: T): T {
    this.spend(CONTAINER_WORK);
    return value;
  }

  private setItems(target: PickleValue, items: PickleValue[]): void {
    if (!(target instanceof Map)) this.fail('it sets items on a value that is not a dictionary');
    if (items.length % 2 !== 0) this.fail('a dictionary has a key without a value');
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  }

  private addTo(target: PickleValue, items: PickleValue[]): void {
    if (target instanceof Set) for (const item of items) target.add(item);
    else if (Array.isArray(target)) for (const item of items) target.push(item);
    else this.fail('it adds items to a value that is not a list or set');
  }

  private name(module: PickleValue, name: PickleValue): Global {
    if (typeof module !== 'string' || typeof name !== 'string') this.fail('a class without a name');
    return this.resolver.global(`${module}.${name}`);
  }

  private call(callee: PickleValue, args: PickleValue): PickleValue {
    if (!(callee instanceof Global)) this.fail('it calls something that is not a function');
    if (!Array.isArray(args)) this.fail(`${callee.name} is called without a tuple of arguments`);
    return this.resolver.call(callee, args, this.charge);
  }

  run(): { value: PickleValue; end: number } {
    for (;;) {
      this.spend(1);
      const opcode = this.u8();
      if (opcode === 0x2e) return { value: this.pop(), end: this.at };
      const value = this.step(opcode);
      if (value !== undefined) this.stack.push(value);
    }
  }

  /** Runs one opcode and pushes its result. */
  private step(opcode: number): PickleValue | undefined {
    switch (String.fromCharCode(opcode)) {
      case '\x80': // PROTO
        if (this.u8() > 5) this.fail('its protocol is newer than 5');
        return undefined;
      case '\x95': // FRAME
        this.take(8);
        return undefined;
      case '(': // MARK
        this.marks.push(this.stack.length);
        return undefined;
      case '0': // POP
        if (this.marks.at(-1) === this.stack.length) this.marks.pop();
        else this.pop();
        return undefined;
      case '1': // POP_MARK
        this.popMark();
        return undefined;
      case '2': // DUP
        return this.top();

      case 'N':
        return null;
      case '\x88':
        return true;
      case '\x89':
        return false;
      case 'J': // BININT
        return this.view.getInt32(this.take(4), true);
      case 'K':
        return this.u8();
      case 'M':
        return this.u16();
      case '\x8a': // LONG1
        return this.long(this.u8());
      case '\x8b': // LONG4
        return this.long(this.u32());
      case 'G': // BINFLOAT
        return this.view.getFloat64(this.take(8));
      case 'X': // BINUNICODE
        return this.text(this.u32());
      case '\x8c':
        return this.text(this.u8());
      case '\x8d':
        return this.text(this.u64());
      case 'U': // SHORT_BINSTRING: text of Python 2
        return this.text(this.u8());
      case 'T':
        return this.text(this.u32());
      case 'B': // BINBYTES
        return this.blob(this.u32());
      case 'C':
        return this.blob(this.u8());
      case '\x8e':
      case '\x96': // BYTEARRAY8
        return this.blob(this.u64());

      case ']':
        return [];
      case ')':
        return [];
      case '}':
        return this.container(new Map());
      case '\x8f':
        return this.container(new Set());
      case 't': // TUPLE
      case 'l': // LIST
        return this.popMark();
      case '\x85':
        return this.popMany(1);
      case '\x86':
        return this.popMany(2);
      case '\x87':
        return this.popMany(3);
      case 'd': {
        const items = this.popMark();
        const made = this.container(new Map());
        this.setItems(made, items);
        return made;
      }
      case '\x91': // FROZENSET
        return this.container(new Set(this.popMark()));
      case 'a': {
        const item = this.pop();
        this.addTo(this.top(), [item]);
        return undefined;
      }
      case 'e': // APPENDS
      case '\x90': {
        const items = this.popMark();
        this.addTo(this.top(), items);
        return undefined;
      }
      case 's': {
        const item = this.popMany(2);
        this.setItems(this.top(), item);
        return undefined;
      }
      case 'u': {
        const items = this.popMark();
        this.setItems(this.top(), items);
        return undefined;
      }

      case 'q': // BINPUT
        this.remember(this.u8());
        return undefined;
      case 'r':
        this.remember(this.u32());
        return undefined;
      case '\x94': // MEMOIZE
        this.remember(this.memo.size);
        return undefined;
      case 'h': // BINGET
        return this.recall(this.u8());
      case 'j':
        return this.recall(this.u32());

      case 'c': // GLOBAL
        return this.name(this.line(), this.line());
      case '\x93': {
        const [module, name] = this.popMany(2);
        return this.name(module, name);
      }
      case 'R': // REDUCE
      case '\x81': {
        // NEWOBJ
        const [callee, args] = this.popMany(2);
        return this.call(callee, args);
      }
      case '\x92': {
        // NEWOBJ_EX
        const [callee, args, named] = this.popMany(3);
        if (!(named instanceof Map) || named.size > 0) this.fail('a call with named arguments');
        return this.call(callee, args);
      }
      case 'b': {
        const state = this.pop();
        this.resolver.build(this.top(), state, this.charge);
        return undefined;
      }
      case 'i': // INST: names and calls at once, as protocol 0 does
        return this.call(this.name(this.line(), this.line()), this.popMark());
      case 'o': {
        const [callee = null, ...args] = this.popMark();
        return this.call(callee, args);
      }
      case 'Q': // BINPERSID
        return this.resolver.persistent(this.pop());
      default:
        this.fail(`opcode 0x${opcode.toString(16)} at byte ${this.at - 1} is not one that torch writes`);
    }
  }
}

/**
 * Reads one pickle.
 *
 * @param bytes contains the pickle from `start` on, perhaps with more behind it
 * @param path names the file in messages
 * @returns the value, and where the pickle ends
 * @throws UserError with one line when the pickle is broken, exceeds a limit, or uses a name that the resolver refuses
 */
export function unpickle(
  bytes: Uint8Array,
  { start = 0, path, resolver }: { start?: number; path: string; resolver: PickleResolver },
): { value: PickleValue; end: number } {
  return new Machine(bytes, start, path, resolver).run();
}
