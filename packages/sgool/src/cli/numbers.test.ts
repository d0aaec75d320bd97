/**
 * Every option that takes a number, with numbers and with texts that are none: it is honoured exactly, or refused in one line with the exit
 * code of a wrong command line.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Option } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { fakeStudy } from '../evaluate/study/testing.ts';
import { encodePng } from '../image/png.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import { PLACE, placeholderOf } from './options/empty-places.ts';
import { discImage, everyCommand, runOnFakes } from './testing.ts';

const NO_NUMBERS = [
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    '1e309',
    '0x10',
    '0b1',
    '1_000',
    '1,5',
    '1e',
    '',
    ' ',
    '3abc',
    '٣',
    '--1',
  ],
];
const NUMBERS = [
  ...['-1', '-0', '0', '1e308', '-1e308', '1e-308', '9007199254740992', ' 3 ', '1.5', '1e3', '+2', '.5'],
];

/** What the help calls arguments that are one number. */
const NUMBER = /^(?:number|n|mb)$/;
/** Texts; those that hold numbers have rows below. */
const TEXT = /^(?:name|names|text|words|list|label|labels|which|score|column|url|address)$/;

interface NumericOption {
  readonly command: string;
  readonly option: Option;
}

const commands = await everyCommand();
const options: readonly NumericOption[] = commands.flatMap(([command, { options }]) =>
  options.map((option) => ({ command, option })),
);
const named = ({ command, option }: NumericOption) => `${command} ${option.long}`;
/** Read by a schema, as soon as they are typed. */
const bySchema = options.filter(
  ({ option }) => NUMBER.test(placeholderOf(option.flags)) && option.parseArg !== undefined,
);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-numbers-'));
  await writeFile(join(dir, 'good.png'), encodePng(discImage(0)));
  await writeFile(join(dir, 'mine.txt'), 'a red cat\n');
  await fakeStudy(join(dir, 'ev'), { prompts: 2, seeds: 1 });
});
afterAll(() => rm(dir, { recursive: true }));

/** What an option reads, or the line with which it refuses. */
function read(
  { option }: NumericOption,
  text: string,
): { readonly value: unknown } | { readonly line: string } {
  try {
    const read: unknown = option.parseArg?.(text, undefined);
    return { value: typeof read === 'object' && read !== null ? Object.values(read)[0] : read };
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ exitCode: USAGE_ERROR });
    return { line: (error as UserError).message };
  }
}

const refusal = (flag: string | undefined) => new RegExp(`^${flag}: not usable, got [^\n]+; [^\n]+$`);

describe.each(commands.map(([command]) => command))('%s, numbers that a schema reads', (command) => {
  const own = bySchema.filter((one) => one.command === command);

  it('refuses what is no number', () => {
    for (const each of own) {
      for (const text of NO_NUMBERS) {
        expect(read(each, text), `${named(each)} ${text}`).toEqual({
          line: expect.stringMatching(refusal(each.option.long)),
        });
      }
    }
  });

  it('takes a number as it is, or refuses it', () => {
    for (const each of own) {
      for (const text of NUMBERS) {
        const result = read(each, text);
        const where = `${named(each)} ${text}`;
        if ('line' in result) expect(result.line, where).toMatch(refusal(each.option.long));
        else if (typeof result.value === 'bigint') expect(result.value, where).toBe(BigInt(text));
        else expect(result.value, where).toBe(Number(text));
      }
    }
  });
});

interface Row {
  /** The command line with this text in the place of the number. */
  readonly words: (text: string) => readonly string[];
  /** What is refused beside texts that are no numbers. */
  readonly refused?: readonly string[];
  /** Texts of the list that are right here. */
  readonly accepted?: readonly string[];
}

const WHOLE = ['-1', '1.5', '1e3', '+2', '.5', '1e308', '1e-308'];
const after = (words: string, ...refused: readonly string[]): Row => {
  const [command, ...others] = words.split(' ');
  return { words: (text) => [command, ...others, text], refused };
};
const CELLS = 'evaluate --suite mine.txt --methods sd --out cells';

/** Numbers that are read when the command runs, and texts that hold numbers, by command and flag. */
const ROWS: Record<string, Row> = {
  'prompt --steps': after('prompt cat --steps', ...WHOLE, '0', '1001'),
  'evaluate --seeds': after(`${CELLS} --seeds`, ...WHOLE, '0', '1000001'),
  'evaluate --limit': after(`${CELLS} --limit`, ...WHOLE, '0', '1000001'),
  'evaluate --seed': after(`${CELLS} --seed`, '-1', '1.5', '1e308', '18446744073709551616'),
  'evaluate --shard': after(
    `${CELLS} --shard`,
    '1',
    '0/4',
    '5/4',
    '-1/4',
    '1/0',
    '1.5/4',
    '0x1/4',
    '1/1e3',
    '1/NaN',
  ),
  'evaluate --budget': after(
    `${CELLS} --budget`,
    ...['-1calls', '0calls', '1e309s', '0x10s', 'NaNs', '1,5s', '3', '3abc'],
  ),
  'evaluate --variant': {
    words: (text) => [...CELLS.split(' '), '--variant', `mine: sgool lambda=${text}`],
    refused: ['-1', '1001', '1e308'],
  },
  'evaluate report --pictures': after('evaluate report ev --pictures', '-1', '501', '1e308', '1e-308', '+2'),
  'study create --pairs': after('study create ev --pairs', ...WHOLE, '0', '10001'),
  'study create --per-rater': after('study create ev --per-rater', ...WHOLE, '0', '10001'),
  'study create --checks': after('study create ev --checks', ...WHOLE, '101'),
  'study create --seed': after('study create ev --seed', ...WHOLE, '9007199254740992'),
  'study serve --port': after('study serve ev/study/default --port', ...WHOLE, '65536'),
  'attention --at-steps': {
    ...after('attention cat --out maps.png --at-steps', ...WHOLE, '1,', '1,x'),
    // For the steps that are chosen by themselves, and two of them.
    accepted: ['', ' ', '1,5'],
  },
  'refine --reweight': {
    words: (text) => ['refine', 'good.png', 'cat', '--out', 'picture', '--reweight', `cat=${text}`],
  },
  'worker --concurrency': after('worker --queue redis://127.0.0.1:1 --concurrency', ...WHOLE, '0', '65'),
  'finetune separate-enhance --sample-every': after(
    'finetune separate-enhance cat --out trained --sample-every',
    ...WHOLE,
    '1000001',
  ),
};
for (const command of ['generate', 'video', 'refine', 'detail', 'attention']) {
  const begun = { refine: 'refine good.png', detail: 'detail good.png' }[command] ?? command;
  ROWS[`${command} --size`] = after(
    `${begun} cat --out sized --size`,
    ...[...WHOLE, '0', '7', '4097', '512x', 'x512', '512x0', '512x384x8'],
  );
}
/** Texts of `generate` and others, with a number in them. */
const FORMS: Readonly<Record<string, (text: string) => string>> = {
  box: (text) => `8,8,${text},16`,
  boxes: (text) => `8,8,16,${text}`,
  budget: (text) => `${text}calls`,
  plan: (text) => `best-of:${text}`,
  'refine-thresholds': (text) => `0:${text}`,
  'skip-guidance-layers': (text) => `1,x${text}`,
  lora: (text) => `nowhere:te=${text}`,
  objective: (text) => `clip*${text}`,
};
for (const [flag, form] of Object.entries(FORMS)) {
  const row = (words: string): Row => ({
    words: (text) => [...words.split(' '), `--${flag}`, form(text)],
    // Two more numbers, or the next LoRA.
    accepted: flag.startsWith('box') || flag === 'lora' ? ['1,5'] : [],
  });
  ROWS[`generate --${flag}`] = row('generate cat --out picture');
  if (flag.startsWith('box')) ROWS[`detail --${flag}`] = row('detail good.png cat --out picture');
}

describe('a number that is read later, or stands in a text', () => {
  const isOwn = ({ command, option }: NumericOption) =>
    NUMBER.test(placeholderOf(option.flags)) &&
    !bySchema.some((one) => one.command === command && one.option === option);
  it('has its row, as has every argument that is neither one number nor a text or a place', () => {
    const asked = options.filter((one) => {
      const what = placeholderOf(one.option.flags);
      return what !== '' && (isOwn(one) || !(NUMBER.test(what) || TEXT.test(what) || PLACE.test(what)));
    });
    expect(asked.map(named).filter((name) => !Object.hasOwn(ROWS, name))).toEqual([]);
  });

  it.each(Object.entries(ROWS))('%s', async (name, { words, refused = [], accepted = [] }) => {
    const flag = name.slice(name.lastIndexOf('--'));
    const before = await readdir(dir);
    for (const text of [...NO_NUMBERS, ...refused]) {
      if (accepted.includes(text)) continue;
      const { code, stdout, stderr } = await runOnFakes(dir, words(text));
      expect(code, `${name} ${JSON.stringify(text)}: ${stderr}`).toBe(USAGE_ERROR);
      expect(stderr.split('\n'), text).toEqual([expect.stringMatching(/^sgool: (?!unexpected)[^\n]+$/), '']);
      expect(stderr).toContain(flag.slice(2));
      expect(stderr).not.toContain('give a text');
      expect(stdout).toBe('');
    }
    expect(await readdir(dir)).toEqual(before);
  });
});
