import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { REFINE } from '../../methods/edit/refine-request.ts';
import { METHOD_NAMES, type MethodName, methods } from '../../methods/index.ts';
import { clipSettings, frameLossSettings } from '../../request/settings/frames.ts';
import { ownersOf, VALUES } from '../../request/testing.ts';
import { fakeHost } from '../testing.ts';
import { generateOptions, refineOptions, videoOptions } from './image-options.ts';
import { variableOf } from './option.ts';
import { addImageOptions, CONFIG_FILE, type ImageCommandKind, readImageCommand } from './read-options.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-options-'));
});
afterAll(() => rm(cwd, { recursive: true }));

const generated = generateOptions();
const kindOf = (method: MethodName): ImageCommandKind => ({
  options: generated,
  subject: () => ({ method: methods[method], title: `method ${method}` }),
});
const refineKind: ImageCommandKind = {
  options: refineOptions(),
  subject: () => ({ method: REFINE, title: 'refine' }),
};

interface Sources {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly file?: object;
}

async function read(kind: ImageCommandKind, { argv = [], env = {}, file = {} }: Sources) {
  await writeFile(join(cwd, CONFIG_FILE), JSON.stringify(file));
  const command = addImageOptions(new Command('generate'), kind.options).exitOverride();
  command.configureOutput({ outputError: () => {} }).parse([...argv], { from: 'user' });
  return readImageCommand(command, 'a cat', command.opts(), kind, fakeHost(cwd, { env }));
}

/** Settings of clips, which `video` alone has options for. */
const ofClips = Object.keys({ ...clipSettings, ...frameLossSettings }) as (keyof typeof VALUES)[];
const keys = (Object.keys(VALUES) as (keyof typeof VALUES)[]).filter(
  (key) => key !== 'width' && key !== 'height' && !ofClips.includes(key),
);
const CASES = METHOD_NAMES.flatMap((method) => keys.map((key) => [method, key] as const));
const videoKind: ImageCommandKind = {
  options: videoOptions(),
  subject: () => ({ method: methods.sgool, title: 'method sgool' }),
};

function optionOf(key: string) {
  const found = generated.find((option) => option.keys.includes(key));
  if (!found) throw new Error(`no option for ${key}`);
  return found;
}

describe('a setting that a method does not have', () => {
  it.each(CASES)('%s: %s is refused when typed, and passed over elsewhere', async (method, key) => {
    const { names, text } = ownersOf(key, METHOD_NAMES);
    const option = optionOf(key);
    const value = VALUES[key];
    const words =
      typeof value === 'boolean'
        ? [`--${value ? '' : 'no-'}${option.flag}`]
        : [`--${option.flag}`, `${value}`];
    const variable = variableOf(option);
    const fromVariable = await read(kindOf(method), { env: { [variable]: `${value}` } });
    const fromFile = await read(kindOf(method), { file: { [key]: value } });
    if (names.includes(method)) {
      const typed = await read(kindOf(method), { argv: words });
      for (const { values, notes } of [typed, fromVariable, fromFile]) {
        expect([values, notes]).toEqual([{ [key]: value }, []]);
      }
      return;
    }
    const typed = read(kindOf(method), { argv: words });
    await expect(typed).rejects.toThrow(
      new UserError(`--${option.flag}: method ${method} has no such option; ${text}`, { exitCode: 2 }),
    );
    await expect(typed).rejects.toMatchObject({ exitCode: 2 });
    expect([fromVariable.values, fromVariable.notes]).toEqual([
      {},
      [`${variable} is passed over: method ${method} has no such option`],
    ]);
    expect([fromFile.values, fromFile.notes]).toEqual([
      {},
      [`${key} in ${CONFIG_FILE} is passed over: method ${method} has no such option`],
    ]);
  });

  it.each(ofClips)('%s is one of video, and none of generate', async (key) => {
    const option = videoKind.options.find((one) => one.keys.includes(key));
    const words = [`--${option?.flag}`, `${VALUES[key]}`];
    expect((await read(videoKind, { argv: words })).values).toEqual({ [key]: VALUES[key] });
    expect(generated.filter((one) => one.keys.includes(key))).toEqual([]);
    const variable = variableOf({ flag: option?.flag ?? '' });
    for (const [given, source] of [
      [{ env: { [variable]: `${VALUES[key]}` } }, variable],
      [{ file: { [key]: VALUES[key] } }, `${key} in ${CONFIG_FILE}`],
    ] as const) {
      const { values, notes } = await read(kindOf('sgool'), given);
      expect(values).toEqual({});
      expect(notes).toEqual([`${source} is passed over: sgool generate has no such option`]);
    }
  });

  it('is a motion adapter for pictures: it is read, and changes nothing', async () => {
    const line = 'the motion adapter mine changes nothing in a picture; for a clip: sgool video';
    const argv = ['--motion', 'mine'];
    expect((await read(kindOf('sd'), { argv })).notes).toEqual([line]);
    // What refine begins with may be a clip: it says this once it has looked.
    for (const kind of [refineKind, videoKind]) expect((await read(kind, { argv })).notes).toEqual([]);
  });

  it('is named in one line with the others', async () => {
    const env = { SGOOL_LAMBDA: '2', SGOOL_STEPS: '3' };
    const { notes, values, warnings } = await read(kindOf('sd'), {
      env,
      file: { keep: 'last', guidanceScale: 2, maskFile: 'mask.png' },
    });
    expect(values).toEqual({ guidanceScale: 2, steps: 3 });
    expect(notes).toEqual([
      `SGOOL_LAMBDA, keep in ${CONFIG_FILE} and maskFile in ${CONFIG_FILE} are passed over: method sd has no such options`,
    ]);
    expect(warnings).toEqual([]);
  });

  it('is a mask where there is no saliency', async () => {
    await expect(read(kindOf('doodl'), { argv: ['--mask', 'mask.png'] })).rejects.toThrow(
      '--mask: method doodl has no such option; sgool and detail have it',
    );
  });

  it('is passed over by refine as well', async () => {
    const { notes, values } = await read(refineKind, {
      env: { SGOOL_CLIP_GUIDANCE_SCALE: '2', SGOOL_METHOD: 'doodl' },
      file: { clipGuidanceScale: 3, lambda: 2 },
    });
    expect(values).toEqual({ lambda: 2 });
    expect(notes).toEqual([
      `SGOOL_CLIP_GUIDANCE_SCALE and clipGuidanceScale in ${CONFIG_FILE} are passed over: refine has no such options`,
      'SGOOL_METHOD is passed over: sgool generate has no such option',
    ]);
  });
});

it('a variable that looks misspelt is warned of; one of another command is named, and one of sgool itself is not', async () => {
  const env = {
    SGOOL_STEPPS: '3',
    SGOOL_STRENGTH: '0.5',
    SGOOL_DATA_DIR: '/nowhere',
    SGOOL_UNRELATED_THING: '1',
  };
  expect(await read(kindOf('sgool'), { env })).toMatchObject({
    values: {},
    notes: ['SGOOL_STRENGTH is passed over: sgool generate has no such option'],
    warnings: ['the environment variable SGOOL_STEPPS has no meaning (did you mean SGOOL_STEPS?)'],
  });
});

it('every setting has one option, and the size has one for both sides', () => {
  const flags = generated.map(({ flag }) => flag);
  expect(new Set(flags).size).toBe(flags.length);
  for (const key of Object.keys(VALUES).filter((one) => !(ofClips as string[]).includes(one))) {
    expect(
      generated.filter((option) => !option.hidden && option.keys.includes(key)),
      key,
    ).toHaveLength(1);
  }
});
