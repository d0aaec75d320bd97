import { describe, expect, it } from 'vitest';
import { messageOf } from '../../testing.ts';
import { TorchResolver } from './globals.ts';
import { unpickle } from './pickle.ts';
import { PickledObject } from './pickle-values.ts';

const run = (pickle: string, options?: { script?: boolean }) =>
  unpickle(Buffer.from(pickle, 'latin1'), {
    path: 'model.pt',
    resolver: new TorchResolver('model.pt', options),
  }).value;

describe('values', () => {
  it('reads what Python 3.12 writes for plain values', () => {
    // pickle.dumps({'a': [1, -2, 300, 70000, 2**70, 1.5, None, True], 'b': (1, 2, 3, 4), 'ü': b'\x00\xff', 's': {1}}, protocol=4)
    const pickle = Uint8Array.from(
      Buffer.from(
        '80049559000000000000007d94288c0161945d94284b014afeffffff4d2c014a70110100' +
          '8a09000000000000000040473ff80000000000004e88658c0162942' +
          '84b014b024b034b047494' +
          '8c02c3bc94430200ff948c0173948f94284b0190752e',
        'hex',
      ),
    );
    const value = unpickle(pickle, { path: 'model.pt', resolver: new TorchResolver('model.pt') }).value;
    expect(value).toEqual(
      new Map<unknown, unknown>([
        ['a', [1, -2, 300, 70000, 2n ** 70n, 1.5, null, true]],
        ['b', [1, 2, 3, 4]],
        ['ü', new Uint8Array([0, 255])],
        ['s', new Set([1])],
      ]),
    );
  });

  it('knows the containers and numbers that training code leaves in checkpoints', () => {
    expect(run('\x80\x02ccollections\nOrderedDict\n](]X\x01\x00\x00\x00aaK\x07ae\x85R.')).toBeInstanceOf(Map);
    expect(run('\x80\x02c__builtin__\nset\n](K\x01K\x02e\x85R.')).toEqual(new Set([1, 2]));
    expect(
      run('\x80\x02c_codecs\nencode\nX\x02\x00\x00\x00a\xc3X\x06\x00\x00\x00latin1\x86R.'),
    ).toBeInstanceOf(Uint8Array);
    const scalar = 'cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R';
    expect(run(`\x80\x02${scalar}C\x08\x00\x00\x00\x00\x00\x00\xd0\x3f\x86R.`)).toBe(0.25);
    const script = run('\x80\x02c__torch__.model\nNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.', { script: true });
    expect(script).toBeInstanceOf(PickledObject);
  });
});

/** The bytes of a whole number. */
const u32 = (value: number) => String.fromCharCode(...new Uint8Array(Uint32Array.of(value).buffer));
const u64 = (value: number) => u32(value) + '\0'.repeat(4);

describe('opcodes', () => {
  it.each<[string, string, unknown]>([
    ['false', '\x89.', false],
    ['negative numbers', '\x8a\x02\x00\x80.', -32768],
    ['a mark that is taken away above a value and a mark', '(K\x01(0K\x02t.', [1, 2]],
    ['a value that is taken away above a mark', '(K\x01K\x020t.', [1]],
    ['a negative number of one byte', '\x8a\x01\xff.', -1],
    ['a positive number of two bytes', '\x8a\x02\xff\x00.', 255],
    ['the number of no byte', '\x8a\x00.', 0],
    ['a number of 64 bytes', `\x8b${u32(64)}${'\0'.repeat(63)}\x40.`, 2n ** 510n],
    ['a long text', `\x8d${u64(3)}abc.`, 'abc'],
    ['a text of Python 2', 'U\x03abc.', 'abc'],
    ['a long text of Python 2', `T${u32(3)}abc.`, 'abc'],
    ['bytes', `B${u32(2)}\x01\x02.`, Buffer.from([1, 2])],
    ['long bytes', `\x8e${u64(2)}\x01\x02.`, Buffer.from([1, 2])],
    ['a byte array', `\x96${u64(2)}\x01\x02.`, Buffer.from([1, 2])],
    ['a list of what is on the stack', '(K\x01K\x02l.', [1, 2]],
    [
      'a dictionary of what is on the stack',
      '(K\x01K\x02K\x03K\x04d.',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    ['a frozen set', '(K\x01K\x02\x91.', new Set([1, 2])],
    ['a value twice', 'K\x052\x86.', [5, 5]],
    ['a value less', 'K\x01K\x020.', 1],
    ['a mark less', 'K\x01(0.', 1],
    ['what is above a mark less', 'K\x01(K\x02K\x031.', 1],
    ['a value less above a mark', 'K\x01(K\x02K\x030t\x86.', [1, [2]]],
    ['the memo in order', ']\x94K\x07\x9400h\x01h\x00\x86.', [7, []]],
    ['a far entry of the memo', `K\x07r${u32(300)}0j${u32(300)}.`, 7],
    ['an object with named arguments, where there are none', 'ccollections\nOrderedDict\n)}\x92.', new Map()],
    ['protocol 5', '\x80\x05N.', null],
  ])('%s', (_, pickle, value) => {
    expect(run(pickle)).toEqual(value);
  });

  it('names have a limit in length', async () => {
    expect(await messageOf(() => run(`c${'a'.repeat(399)}\nb\n.`))).toMatch(/the Python name/);
    expect(await messageOf(() => run(`c${'a'.repeat(400)}\nb\n.`))).toMatch(
      /no end of the line that starts at byte 1/,
    );
  });

  it('the places of faults are those of their opcodes', async () => {
    expect(await messageOf(() => run('N00.'))).toMatch(/nothing on the stack at byte 2$/);
    expect(await messageOf(() => run('Nt.'))).toMatch(/no mark on the stack at byte 1$/);
    expect(await messageOf(() => run('\x80\x02t.'))).toMatch(/^model\.pt: /);
  });

  it('names are quoted short', async () => {
    const named = (length: number) => messageOf(() => run(`c${'a'.repeat(length - 2)}\nb\n.`));
    expect(await named(100)).toContain(`"${'a'.repeat(98)}.b"`);
    expect(await named(101)).toContain(`"${'a'.repeat(97)}..."`);
  });
});

describe('what is refused', () => {
  it.each([
    ['os.system', '\x80\x02cos\nsystem\nX\x06\x00\x00\x00rm -rf\x85R.'],
    ['posix.system', '\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.'],
    ['nt.system', '(X\x03\x00\x00\x00dirint\nsystem\n.'],
    ['builtins.eval', '\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.'],
    ['__builtin__.exec', '\x80\x02c__builtin__\nexec\n.'],
    ['builtins.getattr', '\x80\x02cbuiltins\ngetattr\n.'],
    ['torch.load', '\x80\x02ctorch\nload\nX\x01\x00\x00\x00x\x85R.'],
    ['torch.storage._load_from_bytes', '\x80\x02ctorch.storage\n_load_from_bytes\n.'],
    ['torch.hub.load', '\x80\x02ctorch.hub\nload\n.'],
    ['__torch__.model.Net', '\x80\x02c__torch__.model\nNet\n)\x81.'],
    ['subprocess.Popen', '\x80\x02(csubprocess\nPopen\no.'],
    ['numpy.load', '\x80\x02cnumpy\nload\n.'],
    ['constructor.constructor', '\x80\x02cconstructor\nconstructor\n.'],
    ['torch.toString', '\x80\x02ctorch\ntoString\n.'],
  ])('%s, by its name', async (name, pickle) => {
    const message = await messageOf(() => run(pickle));
    expect(message).toContain(`model.pt: it uses the Python name ${JSON.stringify(name)}, which is refused`);
  });

  it('a class that is only known by name is never called', async () => {
    const lightning = 'cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n';
    expect(run(`\x80\x02}${lightning}}s.`)).toBeInstanceOf(Map);
    expect(await messageOf(() => run(`\x80\x02${lightning})R.`))).toMatch(
      /ModelCheckpoint", which is refused/,
    );
  });

  it.each([
    ['an unknown opcode', '\x80\x02\xff.', /opcode 0xff at byte 2/],
    ['text opcodes of protocol 0', "S'x'\n.", /opcode 0x53/],
    ['extension codes', '\x80\x02\x82\x01.', /opcode 0x82/],
    ['a newer protocol', '\x80\x09.', /protocol is newer/],
    ['a truncated text', '\x80\x02X\xff\xff\xff\x7fabc.', /2147483647 bytes are needed at byte 7 of 11/],
    [
      'a length of 2^63',
      '\x80\x04\x8d\x00\x00\x00\x00\x00\x00\x00\x80.',
      /a length of 9223372036854775808 bytes/,
    ],
    ['a number of 65 bytes', `\x8b${u32(65)}${'\0'.repeat(65)}.`, /a number of 65 bytes, the limit is 64/],
    ['protocol 6', '\x80\x06N.', /protocol is newer/],
    ['a length beyond the bytes', `\x8d${u64(11)}.`, /a length of 11 bytes/],
    ['half a name', '\x80\x04K\x01\x8c\x01a\x93.', /a class without a name/],
    ['the other half', '\x80\x04\x8c\x01aK\x01\x93.', /a class without a name/],
    [
      'arguments that are no tuple',
      'ccollections\nOrderedDict\nK\x01R.',
      /OrderedDict is called without a tuple/,
    ],
    ['named arguments', 'ccollections\nOrderedDict\n)}K\x01K\x02s\x92.', /a call with named arguments/],
    ['named arguments that are none', 'ccollections\nOrderedDict\n)N\x92.', /a call with named arguments/],
    ['a huge number', '\x80\x02\x8b\xff\xff\x00\x00.', /a number of 65535 bytes/],
    ['no end', '\x80\x02N', /1 bytes are needed/],
    ['an empty stack', '\x80\x020.', /nothing on the stack/],
    ['a stack below a mark', '\x80\x02K\x01(\x85.', /nothing on the stack/],
    ['no mark', '\x80\x02t.', /no mark/],
    ['an empty memo', '\x80\x02h\x05.', /the memo has no entry 5/],
    ['items on no dictionary', '\x80\x02]K\x01K\x02s.', /a value that is not a dictionary/],
    ['items on no list', '\x80\x02}K\x01a.', /a value that is not a list/],
    ['a key without a value', '\x80\x02}(K\x01u.', /a key without a value/],
    ['a call of no function', '\x80\x02K\x01)R.', /not a function/],
    ['a state of no object', '\x80\x02K\x01}b.', /a state is set/],
    ['a class without a name', '\x80\x04K\x01K\x02\x93.', /a class without a name/],
    ['a name without an end', `\x80\x02c${'a'.repeat(1000)}`, /no end of the line/],
    ['a storage that is none', '\x80\x02K\x01Q.', /a reference that is not a storage/],
  ])('%s', async (_, pickle, message) => {
    expect(await messageOf(() => run(pickle))).toMatch(message);
  });

  it('too much work, however little it is in bytes', async () => {
    // A list of 100,000 pairs, turned into a dictionary again and again by a few bytes each.
    const pairs = '](K\x01K\x01\x86q\x00'.concat('h\x00'.repeat(100_000), 'e\x85q\x01');
    const again = 'ccollections\nOrderedDict\nh\x01R0'.repeat(1000);
    expect(await messageOf(() => run(`\x80\x02${pairs}${again}.`))).toMatch(/more than 2000000 operations/);
    const text = `X\xa0\x86\x01\x00${'a'.repeat(100_000)}X\x06\x00\x00\x00latin1\x86q\x00`;
    const encoded = 'c_codecs\nencode\nh\x00R0'.repeat(1000);
    expect(await messageOf(() => run(`\x80\x02${text}${encoded}.`))).toMatch(/more than 2000000 operations/);
    // Each opcode is one operation, also where it does nothing.
    const nothing = (count: number) => `${'\x80\x02'.repeat(count - 2)}N.`;
    expect(run(nothing(2_000_000))).toBeNull();
    expect(await messageOf(() => run(nothing(2_000_001)))).toMatch(/more than 2000000 operations/);
    expect(await messageOf(() => run('}'.repeat(1_000_000)))).toMatch(/more than 2000000 operations/);
  });

  it('deep nesting is only that: no recursion runs over it', () => {
    expect(run(`\x80\x02${'('.repeat(200_000)}${'t'.repeat(200_000)}.`)).toEqual(expect.any(Array));
  });
});
