/** Runs whose objective is a sum of scorers. */
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeOnnxScorer, writePreferenceModels, writeTinyModel } from '../pipeline/testing.ts';
import { clipTarget } from '../preference/clip-target.ts';
import { parseObjective } from '../request/objective-text.ts';
import type { MethodRequest } from '../request/request.ts';
import { defined } from '../testing.ts';
import { estimateRun } from './estimate.ts';
import { methods } from './index.ts';
import type { Iteration, MethodState } from './run/iteration.ts';
import { guidedByObjective } from './run/roles.ts';
import { relativeSpreads } from './run/run-scorers.ts';

let pipeline: Pipeline;
let dir: string;
let remove: () => Promise<void>;
let objective: string;
let imageReward: string;
beforeAll(async () => {
  const model = await writeTinyModel({ without: ['transalnet'] });
  ({ dir, remove } = model);
  const onnx = await writeOnnxScorer(dir);
  const { pickscore, 'image-reward': reward } = await writePreferenceModels(dir);
  imageReward = reward;
  objective = `clip,onnx:${onnx}@whole:0.5,${pickscore}:0.25`;
  pipeline = await loadPipeline(dir, { threads: 1, allowVerifiers: true, env: { SGOOL_DATA_DIR: dir } });
});
afterAll(async () => {
  await pipeline.dispose();
  await remove();
});

const request = {
  prompt: 'a red cat',
  seed: 5,
  steps: 2,
  sampler: 'ddim',
  iterations: 2,
  saliency: 'centre',
  lambda: 2,
} as const;

async function run(
  name: 'sgool' | 'doodl' | 'clip-guided',
  settings: Partial<MethodRequest>,
  state?: MethodState,
) {
  const iterations: Iteration[] = [];
  const states: MethodState[] = [];
  // Of one scorer no spread is measured.
  const spread = `${settings.objective}${settings.selector}`.includes(',') ? { spreadPictures: 3 } : {};
  const keys = Object.entries({ ...request, ...spread, ...settings }).filter(
    ([key]) => key in methods[name].settings || ['prompt', 'seed'].includes(key),
  );
  for await (const one of methods[name].run(pipeline, Object.fromEntries(keys) as unknown as MethodRequest, {
    ...(state && { state }),
    onState: (saved) => void states.push(structuredClone(saved)),
  })) {
    iterations.push(one);
  }
  return { iterations, states };
}

describe('a run under several scorers', () => {
  it('has a loss of their parts by weight over scale, λ times the regions where a scorer sees them', async () => {
    const { iterations } = await run('sgool', { objective });
    for (const { loss, regions } of iterations) {
      const { total, scorers = [] } = defined(loss);
      expect(scorers.map(({ name, weight }) => [name, weight])).toEqual([
        ['clip_a', 1],
        ['mine', 0.5],
        ['pickscore', 0.25],
      ]);
      expect(regions).toHaveLength(1);
      expect(scorers.map((scorer) => 'regions' in scorer)).toEqual([true, false, true]);
      expect(scorers.map(({ unit }) => unit > 0 && unit !== 1)).toEqual([false, true, true]);
      const sum = scorers.reduce(
        (sum, { weight, unit, whole = 0, regions = 0 }) => sum + (weight / unit) * (whole + 2 * regions),
        0,
      );
      expect(total).toBeCloseTo(sum, 3);
      expect(defined(loss?.whole) + 2 * defined(loss?.regions)).toBeCloseTo(total, 3);
    }
    expect(iterations[1].image.data).not.toEqual(iterations[0].image.data);
  });

  it('says what its scorers do not read of the prompt, but not of the CLIP of the model', async () => {
    const notes: string[] = [];
    const { saliency: _, lambda: __, ...rest } = request;
    const settings = { ...rest, iterations: 0, spreadPictures: 0 };
    const prompt = `a Ж ${'cat '.repeat(40)}`;
    for await (const _ of methods.doodl.run(
      pipeline,
      { ...settings, prompt, objective: `${objective},${imageReward}` },
      { onNote: (text) => notes.push(text) },
    ));
    expect(notes).toEqual([
      'the prompt is too long for pickscore: its first 14 tokens are used, the last 29 are left out',
      'the prompt is too long for image-reward: its first 33 tokens are used, the last 9 are left out',
      'the vocabulary of image-reward lacks words of the prompt, which mean nothing to it: ж',
    ]);
  });

  it('is selected by them, whole image by whole image', async () => {
    const { iterations } = await run('sgool', { objective, spreadPictures: 0 });
    const costs = iterations.map(({ scores, clip }) => {
      const { clip_a, mine, pickscore } = defined(scores);
      expect(clip_a).toBe(clip.A);
      return Math.acos(clip_a / 100) ** 2 / 2 - 0.5 * mine - 0.25 * pickscore;
    });
    const best = iterations.findLastIndex(({ best }) => best);
    expect(costs[best]).toBe(Math.min(...costs));
    const [kept] = (await run('sgool', { objective, keep: 'clip', iterations: 0 })).iterations;
    expect(kept.scores).toBeUndefined();
  });

  it('is selected by the selector, which guides nothing', async () => {
    const plain = await run('doodl', { objective: 'clip', iterations: 3 });
    const { iterations } = await run('doodl', { objective: 'clip', selector: 'clip_c', iterations: 3 });
    const [third] = await pipeline.scorers(parseObjective('clip_c'));
    const scores = await Promise.all(
      iterations.map(({ image }) => third.score(image, clipTarget(request.prompt))),
    );
    expect(iterations.map(({ scores }) => scores?.clip_c)).toEqual(scores);
    expect(scores).not.toContain(iterations[0].clip.A);
    expect(iterations.map(({ best }) => best)).toEqual(
      scores.map((score, i) => score > Math.max(-1000, ...scores.slice(0, i))),
    );
    expect(iterations.map(({ image }) => image)).toEqual(plain.iterations.map(({ image }) => image));
  });

  it('goes on with the scales of those that select', async () => {
    const settings = { objective: 'clip', selector: 'clip_c, clip:0.5' } as const;
    const whole = await run('doodl', settings);
    for (const state of whole.states) {
      const { iterations } = await run('doodl', settings, state);
      // The evaluations too: they would be more if the scales were measured again.
      const scores = (all: readonly Iteration[]) =>
        all.map(({ objective, scores, evaluations }) => [objective, scores, evaluations]);
      expect(scores(iterations)).toEqual(scores(whole.iterations.slice(state.iteration)));
    }
  });

  it('measures their spread once, and goes on from any state with the same bytes', async () => {
    const whole = await run('doodl', { objective });
    // Three plain images of two steps, two calls each, beside its own.
    expect(whole.iterations[0].evaluations.forward).toBe(4 + 3 * 4);
    for (const state of whole.states) {
      const { iterations } = await run('doodl', { objective }, state);
      const kept = ({ iteration, image, loss, scores, evaluations }: Iteration) => ({
        iteration,
        image,
        loss,
        scores,
        evaluations,
      });
      expect(iterations.map(kept)).toEqual(whole.iterations.slice(state.iteration).map(kept));
    }
  });

  it('steers the sampling of clip-guided', async () => {
    const plain = await run('clip-guided', { objective: 'clip' });
    const { iterations } = await run('clip-guided', { objective, spreadPictures: 0, clipGuidanceScale: 20 });
    expect(iterations[0].image.data).toEqual(plain.iterations[0].image.data);
    expect(iterations[1].image.data).not.toEqual(plain.iterations[1].image.data);
  });

  it('has a dry run that calls nobody', async () => {
    const request: MethodRequest = {
      prompt: 'a cat',
      steps: 2,
      sampler: 'ddim',
      seed: 1,
      iterations: 1,
      objective,
    };
    const { operations } = await estimateRun({
      open: (programs) => loadPipeline(dir, { programs, threads: 1, env: { SGOOL_DATA_DIR: dir } }),
      method: methods.doodl,
      request,
      iterations: 1,
      machine: { flops: 1e11 },
    });
    expect(operations).toBeGreaterThan(0);
  });

  it('of one scorer is the scorer itself, in its own scale', async () => {
    const one = objective.split(',')[2].replace(':0.25', '');
    const { iterations } = await run('doodl', { objective: one, iterations: 0 });
    expect(iterations[0].evaluations.forward).toBe(4);
    const [{ unit, whole }] = defined(iterations[0].loss?.scorers);
    expect(unit).toBe(1);
    expect(iterations[0].loss?.total).toBeCloseTo(defined(whole), 5);
    // The image that is scored is in whole levels.
    expect(defined(iterations[0].scores).pickscore).toBeCloseTo(-defined(whole), 1);
  });
});

it.each([
  ['best-of', {}],
  ['plan', { plan: 'best-of:0, sgool:0', saliency: 'centre' }],
  ['sgool', { keep: 'objective', saliency: 'centre' }],
] as const)('%s names a scorer of regions that selects by the whole image', async (name, settings) => {
  const notes: string[] = [];
  const given = { prompt: 'a red cat', steps: 1, sampler: 'ddim', objective: 'clip@regions', ...settings };
  const end = name === 'plan' ? {} : { iterations: 0 };
  const onNote = (text: string) => void notes.push(text);
  for await (const _ of methods[name].run(pipeline, { ...given, ...end } as MethodRequest, { onNote }));
  expect(new Set(notes)).toEqual(
    new Set(['objective: clip_a@regions sees the whole image where it selects']),
  );
});

it('a scorer of regions counts nothing of an image without any, and that is said', async () => {
  const given = { steps: 1, iterations: 1, saliency: 'none', lambda: undefined } as const;
  const totals = async (objective: string, notes: string[] = []) => {
    const found: number[] = [];
    const input = { ...request, ...given, objective };
    const onNote = (text: string) => void notes.push(text);
    for await (const { loss } of methods.sgool.run(pipeline, input, { onNote }))
      found.push(defined(loss).total);
    return found;
  };
  const notes: string[] = [];
  const both = await totals('clip@whole,clip@regions:3', notes);
  expect(notes).toEqual([
    'objective: clip_a@regions sees the whole image where it selects',
    'objective: clip_a@regions sees nothing of an image without salient regions',
  ]);
  const whole = await totals('clip@whole');
  both.forEach((total, i) => {
    expect(total).toBeCloseTo(whole[i], 5);
  });
  expect(await totals('clip@regions')).toEqual([0, 0]);
});

describe('an objective that a method cannot follow', () => {
  it.each([
    [
      'exec:./score.sh',
      /objective: score\.sh has no gradient, and method doodl follows one; take a method that searches/,
    ],
    [
      'clip@regions',
      /objective: clip_a@regions: method doodl has no salient regions; take @whole, or method sgool/,
    ],
    [
      'clip:',
      /request: objective is not usable, got "clip:"; must be an objective: each scorer must be one of clip/,
    ],
  ])('%s', async (text, says) => {
    await expect(run('doodl', { objective: text })).rejects.toThrow(says);
  });

  it('regions without a weight', async () => {
    await expect(run('sgool', { objective: 'clip,clip_c@regions', lambda: 0 })).rejects.toThrow(
      'objective: clip_c@regions counts nothing with lambda 0; give lambda above 0, or leave it out',
    );
  });

  it('a selector of regions', async () => {
    await expect(run('sgool', { selector: 'clip_c@regions:2', keep: 'objective' })).rejects.toThrow(
      /selector is not usable.*must have no @regions: what selects sees the whole image/,
    );
  });

  it('a verifier that was not allowed', async () => {
    const strict = await loadPipeline(dir, { threads: 1 });
    const one = methods.doodl.run(strict, { prompt: 'a cat', objective: 'http://127.0.0.1:9' });
    await expect(one.next()).rejects.toThrow(/gets every picture and prompt, and was not allowed/);
    await strict.dispose();
  });
});

it('spreads are relative to the first, and one that does not move has no scale', () => {
  expect(
    relativeSpreads([
      [1, 10, 3],
      [2, 14, 3],
      [3, 18, 3],
    ]),
  ).toEqual([1, 4, 1]);
  expect(
    relativeSpreads([
      [1, 10],
      [1, 14],
    ]),
  ).toEqual([1, 1]);
});

it('its roles are all that guides and all that selects', () => {
  const base = { keep: 'objective', targetClip: 100, objective: 'hps-v2.1,pickscore@whole' } as const;
  const both = ['hps-v2.1', 'pickscore'];
  expect(guidedByObjective(base)).toEqual({ guides: both, selects: both });
  expect(guidedByObjective({ ...base, keep: 'last' })).toEqual({ guides: both, selects: [] });
  expect(guidedByObjective({ ...base, keep: 'clip' }).selects).toEqual(['clip_a']);
  expect(guidedByObjective({ ...base, selector: 'clip_c' })).toEqual({ guides: both, selects: ['clip_c'] });
  expect(guidedByObjective({ ...base, keep: 'last', targetClip: 30 }).selects).toEqual(['clip_a']);
  expect(guidedByObjective({ ...base, saliency: 'grad-cam' }).guides).toEqual([...both, 'clip_a']);
  expect(guidedByObjective({ ...base, saliency: 'judge' }).guides).toEqual([...both, 'judge']);
  expect(guidedByObjective({ ...base, regionText: 'parts' }).guides).toEqual([...both, 'clip_a']);
  expect(guidedByObjective({ ...base, objective: 'clip=x/clip_b' }).guides).toEqual(['clip_b']);
});

describe('best-of', () => {
  it('selects by scorers without gradients as well', async () => {
    const file = path.join(dir, 'score.mjs');
    // The larger the PNG, the better.
    await writeFile(
      file,
      `#!${process.execPath}\nimport fs from 'node:fs';\nconsole.log(fs.statSync(process.argv[2]).size);`,
    );
    await chmod(file, 0o755);
    const iterations: Iteration[] = [];
    const { sampler, steps, seed, prompt } = request;
    const asked = { prompt, seed, steps, sampler, iterations: 3, objective: `exec:${file}` };
    for await (const one of methods['best-of'].run(pipeline, asked)) iterations.push(one);
    const sizes = iterations.map(({ scores }) => defined(scores?.['score.mjs']));
    expect(new Set(sizes).size).toBeGreaterThan(1);
    expect(sizes[iterations.findLastIndex(({ best }) => best)]).toBe(Math.max(...sizes));
    expect(methods['best-of'].roles({ objective: asked.objective, targetClip: 100 } as never)).toEqual({
      guides: [],
      selects: ['score.mjs'],
    });
  });

  it('that fails keeps the image that it failed on', async () => {
    const iterations: Iteration[] = [];
    const asked = {
      prompt: 'a cat',
      seed: 1,
      steps: 2,
      sampler: 'ddim',
      objective: 'exec:./none.sh',
    } as const;
    const running = (async () => {
      for await (const one of methods['best-of'].run(pipeline, asked)) iterations.push(one);
    })();
    await expect(running).rejects.toThrow(/best-of: stopped in iteration 0: .*there is no such program/);
    expect(iterations).toHaveLength(1);
  });
});
