/** @file Every command that opens a model takes every option that names a part of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../image/png.ts';
import type { LoadOptions } from '../../pipeline/load-pipeline.ts';
import { runCli } from '../cli.ts';
import { MODEL_SCHEMAS, SHARED_KEYS, type SharedKey } from '../options/model-options.ts';
import { kebabName } from '../options/other-names.ts';
import { discImage, everyCommand, fakeEngine, fakeHost } from '../testing.ts';

/** What a command does not have, and why. Each must be true of it: an entry that is not needed fails. */
const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  evaluate: { variant: 'is a method there: SGOOL_VARIANT names that of the files' },
  worker: { precision: 'is that of the cell' },
  prompt: {
    device: 'computes nothing',
    precision: 'computes nothing',
    memory: 'computes nothing',
  },
  'finetune separate-enhance': {
    precision: 'trains in float32',
    adapter: "gives a difference to the model's own weights",
    lora: "gives a difference to the model's own weights",
    motion: 'trains on pictures',
    motionNorm: 'trains on pictures',
    contextFrames: 'trains on pictures',
    contextStride: 'trains on pictures',
  },
};

/** Commands whose `--model` is something else. */
const OTHERS: Readonly<Record<string, string>> = {
  'adapters merge': 'writes a model, and opens no networks',
  repeat: 'has the parts of the record; a model of the same weights may be elsewhere',
};

const folder = new URL('.', import.meta.url);
const all = await everyCommand();
const flagsOf = ({ options }: Command) => options.map(({ long }) => long ?? '');
const opening = all.filter(
  ([name, command]) => flagsOf(command).includes('--model') && !Object.hasOwn(OTHERS, name),
);

/** Keys that some commands describe in their own words: where the model is, which adapter a clip takes, a switch that is off. */
const OWN_TEXTS: readonly SharedKey[] = ['model', 'motion', 'ema'];

/** Whether a text is that of the option. */
function describes(key: SharedKey, text: string): boolean {
  const { description = '' } = MODEL_SCHEMAS[key];
  return OWN_TEXTS.includes(key) || text.startsWith(description);
}

it('finds the commands that open a model', () => {
  expect(opening.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      ...['generate', 'video', 'refine', 'detail', 'attention', 'score', 'saliency', 'prompt', 'methods'],
      ...['evaluate', 'worker', 'finetune separate-enhance'],
    ]),
  );
});

it('leaves out no source file that opens a pipeline', () => {
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );
  const opens = sources.filter((name) =>
    readFileSync(new URL(name, folder), 'utf8').includes('.openPipeline('),
  );
  for (const name of opens) {
    expect([name, readFileSync(new URL(name, folder), 'utf8')]).toEqual([
      name,
      expect.stringContaining('loadOptionsOf('),
    ]);
  }
});

describe('parts of a model reach the library', () => {
  it.each([
    ['score', 'disc.png', 'a disc'],
    ['saliency', 'disc.png', '--detector', 'centre', '--out', 'map.png', '--lora', 'c:0.5'],
    ['prompt', 'a disc', '--model', 'toybox', '--lora', 'c:0.5'],
  ])('%s', async (...words) => {
    const cwd = await mkdtemp(join(tmpdir(), 'sgool-parts-of-'));
    try {
      await writeFile(join(cwd, 'disc.png'), encodePng(discImage(1)));
      const real = fakeEngine();
      let given: LoadOptions | undefined;
      const openPipeline: typeof real.openPipeline = (model, options) => {
        given = options;
        return real.openPipeline(model, options);
      };
      const host = fakeHost(cwd, { engine: { ...real, openPipeline }, env: { SGOOL_VAE: 'ae.safetensors' } });
      const code = await runCli([...words, '--text-encoders', 'a, b', '--no-ema'], host);
      expect([code, host.written.stderr]).toEqual([0, expect.anything()]);
      expect(given).toMatchObject({
        vae: 'ae.safetensors',
        textEncoders: ['a', 'b'],
        ...(words.includes('--lora') ? { loras: [{ path: 'c', weight: 0.5 }] } : {}),
        ema: false,
      });
    } finally {
      await rm(cwd, { recursive: true });
    }
  });

  it('prompt names a part without its model', async () => {
    const host = fakeHost('.');
    expect(await runCli(['prompt', 'a disc', '--vae', 'x'], host)).toBe(2);
    expect(host.written.stderr).toBe(
      'sgool: --vae: belongs to a model, and none is named; give --model, too\n',
    );
  });
});

describe.each(opening)('%s', (name, command) => {
  const exceptions = Object.keys(EXCEPTIONS[name] ?? {});
  it.each(SHARED_KEYS)('--%s', (key) => {
    const flag = kebabName(key);
    const option = command.options.find(({ long }) => long === `--${flag}` || long === `--no-${flag}`);
    // One of the same name may be something else.
    const isShared = option !== undefined && describes(key, option.description);
    expect(isShared).toBe(!exceptions.includes(key));
  });
});
