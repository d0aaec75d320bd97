/** @file The names by which options are given: flags, keys, variables, and what other tools call them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnFakes, type Setting } from '../testing.ts';
import { generateOptions } from './image-options.ts';
import { variablesOf } from './option.ts';
import { meaningOf } from './other-names.ts';

let cwd: string;
let runs = 0;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-names-'));
});
afterAll(() => rm(cwd, { recursive: true }));

interface Given {
  readonly words?: readonly string[];
  readonly file?: object;
  readonly env?: Setting['env'];
  readonly prompt?: string;
}

async function generate({ words = [], file = {}, env, prompt = 'a cat' }: Given) {
  await writeFile(join(cwd, 'sgool.config.json'), JSON.stringify(file));
  const out = `run${++runs}`;
  const ended = await runOnFakes(cwd, ['generate', prompt, ...words, '--out', out], { env });
  const record =
    ended.code === 0 ? JSON.parse(await readFile(join(cwd, out, 'run.json'), 'utf8')) : undefined;
  return { ...ended, request: record?.request, line: ended.stderr.trim() };
}

describe('an option', () => {
  it.each<[string, Given, object]>([
    [
      'its key as a flag',
      { words: ['--guidance-scale', '4', '--negative-prompt', 'x'] },
      { guidanceScale: 4, negativePrompt: 'x' },
    ],
    ['one side as a flag', { words: ['--width', '64', '--height', '32'] }, { width: 64, height: 32 }],
    [
      'its flag in the file',
      { file: { guidance: 4, negative: 'x' } },
      { guidanceScale: 4, negativePrompt: 'x' },
    ],
    [
      'its flag in the file, with dashes or not',
      { file: { size: '64x32', save_iterations: true, 'no-metadata': true } },
      { width: 64, height: 32 },
    ],
    ['a number for the size', { file: { size: 64 } }, { width: 64, height: 64 }],
    [
      'its key in the environment',
      { env: { SGOOL_NEGATIVE_PROMPT: 'x', SGOOL_GUIDANCE_SCALE: '4' } },
      { guidanceScale: 4, negativePrompt: 'x' },
    ],
    [
      'its flag in the environment',
      { env: { SGOOL_NEGATIVE: 'x', SGOOL_GUIDANCE: '4' } },
      { guidanceScale: 4, negativePrompt: 'x' },
    ],
    ["the web UI's names of samplers", { words: ['--sampler', 'Euler a'] }, { sampler: 'euler-ancestral' }],
  ])('goes by %s', async (_, given, wanted) => {
    const { code, request, stderr } = await generate(given);
    expect([code, stderr.includes('no meaning')]).toEqual([0, false]);
    expect(request).toMatchObject(wanted);
  });

  it.each<[string, Given, RegExp]>([
    [
      'on the command line',
      { words: ['--guidance', '3', '--guidance-scale', '4'] },
      /--guidance and --guidance-scale both set the guidance scale; give one of them/,
    ],
    ['as a size', { words: ['--size', '64', '--width', '32'] }, /--size and --width both set the width/],
    [
      'in the file',
      { file: { guidance: 3, guidanceScale: 4 } },
      /sgool\.config\.json: guidance and sgool\.config\.json: guidanceScale both set/,
    ],
    [
      'in the environment',
      { env: { SGOOL_NEGATIVE: 'x', SGOOL_NEGATIVE_PROMPT: 'y' } },
      /SGOOL_NEGATIVE and SGOOL_NEGATIVE_PROMPT both set the negative prompt/,
    ],
  ])('is given once %s', async (_, given, message) => {
    const { code, line } = await generate(given);
    expect(code).toBe(2);
    expect(line).toMatch(message);
  });

  it('has one variable for each of its names', () => {
    const negative = generateOptions().find(({ flag }) => flag === 'negative');
    expect(negative && variablesOf(negative)).toEqual(['SGOOL_NEGATIVE', 'SGOOL_NEGATIVE_PROMPT']);
  });
});

describe('a name of another tool', () => {
  it.each([
    ...(['--cfg', '--cfg-scale', '--cfg_scale', '--scale'] as const).map((name) => [name, 'guidance']),
    ...(['--num-inference-steps', '--num_inference_steps', '--ddim_steps'] as const).map((name) => [
      name,
      'steps',
    ]),
    ...(['--n-iter', '--n_iter', '--num-images-per-prompt', '--batch-size'] as const).map((name) => [
      name,
      'count',
    ]),
    ['-n', 'count'],
    ['--W', 'size'],
    ['--outdir', 'out'],
    ['--ckpt', 'model'],
    ['--from-file', 'prompts'],
    ['--sampler-name', 'sampler'],
    ['--optimizer', 'optimiser'],
    ['--neg_prompt', 'negative'],
    ['--fp16', 'precision'],
    ['--lr', 'learning-rate'],
  ])('%s is answered by --%s', async (name, flag) => {
    const { code, line } = await generate({ words: [name, '3'] });
    expect([code, line]).toEqual([2, `sgool: unknown option '${name}' (did you mean --${flag}?)`]);
  });

  it.each([
    ['--enable-hr', /^sgool: unknown option '--enable-hr': sgool has no second pass in a higher resolution/],
    ['--prompt', /: the prompt is no option: write it in quotes after the command$/],
    ['--init-img', /: to begin with an image: sgool refine/],
    ['--restore-faces', /: sgool does not restore faces$/],
  ])('%s is answered by what there is instead', async (name, message) => {
    const { code, line } = await generate({ words: [name, 'x'] });
    expect(code).toBe(2);
    expect(line).toMatch(message);
  });

  it('means nothing where the command has no such option', async () => {
    const { stderr } = await runOnFakes(cwd, ['saliency', 'x.png', '--cfg-scale', '3']);
    expect(stderr).toBe("sgool: unknown option '--cfg-scale'\n");
    expect(meaningOf('--frobnicate', () => true)).toBeUndefined();
  });

  it('is answered in the file and in the environment', async () => {
    const inFile = await generate({ file: { num_inference_steps: 3 } });
    expect(inFile.line).toMatch(/unknown key num_inference_steps \(did you mean steps\?\)/);
    const asVariable = await generate({ env: { SGOOL_CFG_SCALE: '3' } });
    expect(asVariable.line).toMatch(/SGOOL_CFG_SCALE has no meaning \(did you mean SGOOL_GUIDANCE\?\)/);
  });

  it('names only flags that there are', () => {
    const flags = new Set([
      ...generateOptions().map(({ flag }) => flag),
      'from',
      'strength',
      'json',
      'quiet',
      'scorer',
    ]);
    for (const name of ['cfg', 'init-prompt', 'denoise', 'silent', 'metric', 'output-format']) {
      expect(
        meaningOf(name, (flag) => flags.has(flag)),
        name,
      ).toHaveProperty('flag');
    }
  });
});

describe('a seed', () => {
  it.each([
    ['0', 0],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', '9007199254740993'],
    ['18446744073709551615', '18446744073709551615'],
  ])('%s is kept exactly', async (text, kept) => {
    const { request } = await generate({ words: ['--seed', text] });
    expect(request.seed).toBe(kept);
    expect((await generate({ file: { seed: text } })).request.seed).toBe(kept);
    expect((await generate({ env: { SGOOL_SEED: text } })).request.seed).toBe(kept);
  });

  it.each(['18446744073709551616', '-2', '1.5', 'seven', ''])('%s is refused', async (text) => {
    const { code, line } = await generate({ words: ['--seed', text] });
    expect(code).toBe(2);
    expect(line).toMatch(
      /--seed: not usable, got .*; it must be -1 \(random\) or a whole number from 0 to 2\^64 - 1$/,
    );
  });

  it('is refused in JSON where a number has lost its last digits', async () => {
    const { code, line } = await generate({ file: { seed: 2 ** 60 } });
    expect(code).toBe(1);
    expect(line).toMatch(/seed: not usable, got 11529215046068\d+; .*; write it in quotes$/);
  });
});

describe('an empty prompt', () => {
  it('is refused, and allowed on request', async () => {
    expect((await generate({ prompt: ' ' })).line).toMatch(/prompt: must not be empty/);
    const { code, request } = await generate({ prompt: '', words: ['--allow-empty', '--method', 'sd'] });
    expect([code, request.prompt, request.allowEmpty]).toEqual([0, '', true]);
  });
});
