import type { Evaluation } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { costLine, fitted } from './budget.ts';
import { goalsOf } from './goals.ts';
import { gains, survivors } from './halving.ts';
import { type Contender, fullPlan, knownContenders, type Plan, smallerPlan } from './plan.ts';
import { figuresOf, resultText } from './result.ts';
import { forecast, offers, runExperiment } from './run-experiment.ts';
import { type Stage, stageWords } from './stage.ts';

const sgool: Contender = {
  label: 'sgool',
  method: 'sgool',
  spends: 'iterations',
  settings: { steps: 10 },
  candidates: [{ learningRate: 0.1 }, { learningRate: 0.2 }, { learningRate: 0.3 }, { learningRate: 0.4 }],
};
const whole: Contender = {
  label: 'whole',
  method: 'sgool',
  spends: 'iterations',
  settings: { lambda: 0 },
  candidates: [{}],
  variantOf: 'sgool',
};
const search: Contender = {
  label: 'best-of',
  method: 'best-of',
  spends: 'iterations',
  settings: {},
  candidates: [{}],
};
const plan: Plan = {
  budgets: [4, 16],
  reference: { label: 'sd', method: 'sd', settings: { steps: 10 }, candidates: [{}] },
  contenders: [search, whole, sgool],
  rungs: [
    [2, 3],
    [2, 3],
  ],
  prompts: [4, 3],
  seeds: 2,
  chosenBy: ['judge', 'clip_b'],
};

/** A plain image costs 100, a candidate of best-of as much, an iteration of sgool 300. */
const workOf = async (method: string, { iterations = 0 }: Contender['settings']) =>
  method === 'sgool' ? 100 + 300 * Number(iterations) : 100 * (1 + Number(iterations));

describe('the settings that cost a budget', () => {
  it('are on the line through the costs of one and two iterations', async () => {
    const line = await costLine(sgool, {}, workOf);
    expect(line).toEqual({ first: 400, each: 300 });
    expect(fitted(sgool, { learningRate: 1 }, line, 100, 4)).toEqual({
      settings: { steps: 10, learningRate: 1, iterations: 1 },
      cost: 4,
    });
    // 13 and 16 are as much as 5 and 6 iterations... of 16, 5 are it.
    expect(fitted(sgool, {}, line, 100, 16)).toMatchObject({ settings: { iterations: 5 }, cost: 16 });
    // 14.2 is nearer to 13 than to 16, 14.6 to 16: as ratios.
    expect(fitted(sgool, {}, line, 100, 14.2)).toMatchObject({ cost: 13 });
    expect(fitted(sgool, {}, line, 100, 14.6)).toMatchObject({ cost: 16 });
  });

  it('are none where the nearest costs more than a quarter more or less', async () => {
    const line = await costLine(sgool, {}, workOf);
    expect(fitted(sgool, {}, line, 100, 3.19)).toBeUndefined();
    expect(fitted(sgool, {}, line, 100, 3.21)).toMatchObject({ cost: 4 });
    expect(fitted(sgool, {}, line, 100, 5.3)).toBeUndefined();
  });

  it('may be no choice', async () => {
    const plain: Contender = { label: 'sd', method: 'sd', settings: { steps: 10 }, candidates: [{}] };
    const line = await costLine(plain, {}, workOf);
    expect(fitted(plain, {}, line, 100, 16)).toEqual({ settings: { steps: 10 }, cost: 1 });
  });
});

describe('successive halving', () => {
  const plain = [
    { key: '1', scores: { judge: 0, clip_b: 10 } },
    { key: '2', scores: { judge: 2, clip_b: 30 } },
  ];

  it('weighs scores by the deviation of the plain images', () => {
    const images = [
      { key: '1', scores: { judge: 1, clip_b: 30 } },
      { key: '2', scores: { judge: 2, clip_b: 20 } },
    ];
    // Deviations 1 and 10.
    expect(gains(images, plain, ['judge', 'clip_b'])).toEqual(
      new Map([
        ['1', (1 + 2) / 2],
        ['2', (0 - 1) / 2],
      ]),
    );
    const broken = [
      { key: '1', scores: { judge: 1, clip_b: null } },
      { key: '9', scores: { judge: 1, clip_b: 1 } },
    ];
    expect(gains(broken, plain, ['judge', 'clip_b'])).toEqual(new Map());
  });

  const runner = (name: string, values: readonly number[]) => ({
    name,
    gains: new Map(values.map((value, i) => [String(i), value])),
  });

  it('keeps the better half, the best first', () => {
    const field = [
      runner('a', [0, 1]),
      runner('b', [1, 0.5]),
      runner('c', [-1, 0]),
      runner('d', [0.2, 0.2]),
      runner('failed', []),
    ];
    expect(survivors(field)).toEqual(['b', 'a', 'd']);
    expect(survivors([runner('failed', [])])).toEqual([]);
  });

  it('drops what is clearly below the first, prompt by prompt', () => {
    const luck = [0, 5, -3, 8, 2, -6];
    const field = [
      runner(
        'first',
        luck.map((one) => one + 1),
      ),
      runner(
        'below',
        luck.map((one, i) => one + 0.1 * (i % 2)),
      ),
      runner(
        'x',
        luck.map(() => -9),
      ),
      runner(
        'y',
        luck.map(() => -9),
      ),
    ];
    expect(survivors(field)).toEqual(['first']);
    const near = [
      runner('first', [1, 0, 2, 0, 1, 0]),
      runner('near', [0, 1, 0, 1.5, 0, 1]),
      field[2],
      field[3],
    ];
    expect(survivors(near).length).toBe(2);
  });
});

/** A world in which the gain of a method is known: the learning rate 0.3 is the best. */
function fakeStages() {
  const stages: Stage[] = [];
  const runStage = async (stage: Stage): Promise<Evaluation> => {
    stages.push(stage);
    const gain = (label: string, { learningRate }: Contender['settings']) =>
      label === 'sd' ? 0 : 1 - Math.abs(Number(learningRate ?? 0.1) - 0.3);
    const score = (name: string) => ({
      ...{ name, title: name, scale: 'made up', digits: 2, higherIsBetter: true, isAveraged: true, tie: 0 },
    });
    const seeds = Array.from({ length: stage.seeds }, (_, i) => i);
    return {
      folder: '/none',
      manifest: {
        format: 1,
        created: 'now',
        command: 'sgool evaluate',
        model: { name: 'toybox', hash: 'f' },
        device: 'cpu',
        precision: 'float32',
        methods: stage.columns.map(({ label, method, settings }) => ({
          ...{ label, method, request: settings, settings },
          guides: method === 'sgool' ? ['clip_a'] : [],
          selects: method === 'sd' ? [] : ['clip_a'],
        })),
        reference: stage.columns[0].label,
        suites: [
          {
            ...{ name: stage.suite, title: stage.suite, sha256: 's', origin: 'o', defects: [] },
            prompts: stage.prompts.map((id) => ({ id, text: `prompt ${id}` })),
          },
        ],
        seeds,
        scores: ['clip_a', 'clip_b', 'judge'].map(score),
        versions: {},
      },
      cells: stage.prompts.flatMap((prompt) =>
        seeds.flatMap((seed) =>
          stage.columns.map(({ label, method, settings }) => {
            const value = ((Number(prompt) * 7 + seed * 3) % 5) / 5 + gain(label, settings);
            const cell = {
              ...{ method, settings, model: { name: 'toybox', hash: 'f' }, prompt: `prompt ${prompt}` },
              ...{ negativePrompt: '', seed },
            };
            const id = `${label} ${prompt} ${seed}`;
            const cost = { forward: 10, pullback: 0, flops: 100, seconds: 1 };
            return {
              ...{ id, cell, label, suite: stage.suite, prompt, seed },
              record: {
                ...{ format: 1 as const, id, cell, status: 'done' as const, noise: `${prompt} ${seed}` },
                ...{ image: { sha256: id, width: 8, height: 8 }, iteration: 0, iterations: 0, cost },
                ...{ scores: { judge: value, clip_b: 10 * value, clip_a: 1 }, machine: 'm', finished: 'now' },
              },
            };
          }),
        ),
      ),
    };
  };
  return { stages, runStage };
}

async function experiment(of: Plan = plan) {
  const { stages, runStage } = fakeStages();
  const said: string[] = [];
  const work: number[] = [];
  const ids = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
  const results = await runExperiment(of, await offers(of, workOf), {
    prompts: { toybox: ids(20), tuning: ids(20) },
    runStage,
    signal: new AbortController().signal,
    say: (line) => said.push(line),
    onStage: (_, images, cost) => work.push(images, cost),
  });
  return { stages, said, results, work };
}

describe('the experiment', () => {
  it('tunes what has several candidates on fresh prompts for each rung, then reports on others', async () => {
    const { stages, said } = await experiment();
    expect(stages.map(({ name, suite, prompts, seeds }) => [name, suite, prompts.join(), seeds])).toEqual([
      ['tuning-4-1', 'toybox-tuning', '1,2', 1],
      ['tuning-4-2', 'toybox-tuning', '3,4,5', 1],
      ['reported-4', 'toybox', '1,2,3,4', 2],
      ['tuning-16-1', 'toybox-tuning', '1,2', 1],
      ['tuning-16-2', 'toybox-tuning', '3,4,5', 1],
      ['reported-16', 'toybox', '1,2,3', 2],
    ]);
    expect(stages[0].columns.map(({ label }) => label)).toEqual([
      'sd',
      'sgool 1',
      'sgool 2',
      'sgool 3',
      'sgool 4',
    ]);
    expect(stages[1].columns.map(({ label }) => label)).toEqual(['sd', 'sgool 3', 'sgool 2']);
    expect(stages[5].columns).toMatchObject([
      { label: 'sd', settings: { steps: 10 } },
      { label: 'best-of', settings: { iterations: 15 } },
      { label: 'whole', settings: { lambda: 0, iterations: 5 } },
      { label: 'sgool', settings: { steps: 10, learningRate: 0.3, iterations: 5 } },
    ]);
    expect(stages.map(({ report }) => report)).toEqual([false, false, true, false, false, true]);
    expect(said.slice(0, 2)).toEqual([
      'budget 4, sgool: 2 of 4 stay after 2 prompts',
      'budget 4, sgool: 1 of 2 stay after 5 prompts',
    ]);
  });

  it('leaves out what cannot be had for a budget, and says so', async () => {
    const { results } = await experiment({ ...plan, budgets: [2] });
    expect(results[0].choices).toMatchObject([
      { label: 'best-of', tried: 1, offered: 1, chosen: { cost: 2 } },
      { label: 'whole', tried: 0, offered: 1 },
      { label: 'sgool', tried: 0, offered: 4 },
    ]);
    expect(results[0].choices[2].chosen).toBeUndefined();
    expect(resultText(results.map((result) => figuresOf(result, plan)))).toContain(
      'No settings cost this budget: whole, sgool',
    );
  });

  it('ends a tuning where it is clear', async () => {
    const { stages } = await experiment({ ...plan, budgets: [4], rungs: [[6, 3]] });
    // The first is above the second by as much for each prompt: there is nothing left to ask.
    expect(stages.map(({ name }) => name)).toEqual(['tuning-4-1', 'reported-4']);
  });

  it('forecasts the most that it makes', async () => {
    const { images, work } = forecast(plan, await offers(plan, workOf));
    // Tuning: 2 prompts x (1 + 4), 3 x (1 + 2); reported: 4 or 3 prompts x 2 seeds x (1 + 3).
    expect(images).toBe(2 * (2 * 5 + 3 * 3) + 8 * 4 + 6 * 4);
    expect(work).toBe(2 * (2 + 3) + 2 * 4 * (4 + 16) + 3 * 2 * (4 + 16) + 8 * (1 + 3 * 4) + 6 * (1 + 3 * 16));
    const { work: done } = await experiment();
    const sums = [0, 1].map((part) => done.filter((_, i) => i % 2 === part).reduce((a, b) => a + b));
    expect(sums).toEqual([images, work]);
  });

  it('has the goals of the leader: first, over search, over its variants, over the rivals', async () => {
    const { results } = await experiment();
    const goals = goalsOf(results[1].evaluation, plan);
    expect(goals.first).toEqual({ judge: 'sgool', clip_b: 'sgool' });
    expect(goals.overSearch).toMatchObject([
      { over: 'best-of', score: 'judge', difference: expect.closeTo(0.2, 9), prompts: 3 },
      { over: 'best-of', score: 'clip_b', difference: expect.closeTo(2, 9) },
    ]);
    expect(goals.overVariants.map(({ over }) => over)).toEqual(['whole', 'whole']);
    expect(goals.overRivals).toMatchObject({
      over: 'sd',
      score: 'clip_b',
      difference: expect.closeTo(10, 9),
    });
    const alone = await experiment({ ...plan, contenders: [whole, search] });
    expect(goalsOf(alone.results[0].evaluation, plan)).toMatchObject({
      first: { judge: 'best-of' },
      overSearch: [],
    });
  });

  it('keeps figures and the manifest, and no single image', async () => {
    const { results } = await experiment();
    const [figures] = results.map((result) => figuresOf(result, plan));
    const text = JSON.stringify(figures);
    expect(JSON.parse(text)).toMatchObject({
      budget: 4,
      choices: [
        {},
        {},
        {
          label: 'sgool',
          chosen: { settings: { learningRate: 0.3 }, cost: 4 },
          rungs: [{ prompts: 2 }, { prompts: 5 }],
        },
      ],
      manifest: { seeds: ['0', '1'], suites: [{ name: 'toybox', prompts: ['1', '2', '3', '4'] }] },
    });
    expect(text).not.toContain('sha256":"sgool');
    const lines = resultText([figures]).split('\n');
    expect(lines[0]).toContain('Budget 4: 4 prompts, 2 seeds');
    expect(lines.find((line) => line.startsWith('| sgool'))).toMatch(/\| 1\.\d\d \[[\d.]+, [\d.]+\] \|/);
    expect(lines).toContainEqual('First: sgool on judge, sgool on clip_b');
    expect(lines).toContainEqual(
      expect.stringMatching(/^sgool over best-of on judge: \+0\.200 \[\+0\.200, \+0\.200\]$/),
    );
  });
});

describe('a stage', () => {
  it('is one command', () => {
    const columns = [{ label: 'sd', method: 'sd' as const, settings: { steps: 10, sampler: 'ddim' } }];
    const stage: Stage = {
      ...{ name: 'tuning-4-1', suite: 'toybox-tuning' as const, prompts: ['3', '4'], seeds: 2 },
      ...{ columns, report: false },
    };
    expect(stageWords(stage, '/runs')).toEqual([
      ...['--suite', 'toybox-tuning', '--only', '3,4', '--seeds', '2', '--no-equal-cost'],
      ...[
        '--variant',
        'sd: sd steps=10 sampler=ddim',
        '--no-report',
        '--quiet',
        '--json',
        '--out',
        '/runs/tuning-4-1',
      ],
    ]);
    expect(stageWords({ ...stage, report: true }, '/runs')).not.toContain('--no-report');
  });
});

describe('the plan', () => {
  it('tries as much of every method that has settings, and knows which methods there are', () => {
    const { known, missing } = knownContenders();
    const tuned = known.filter(({ candidates }) => candidates.length > 1);
    expect(new Set(tuned.map(({ candidates }) => candidates.length)).size).toBe(1);
    expect(known.map(({ label }) => label)).toEqual(expect.arrayContaining(['best-of', 'sgool', 'doodl']));
    for (const label of missing) expect(known.some((one) => one.label === label)).toBe(false);
    const full = fullPlan(known);
    expect(full.rungs.length).toBe(full.budgets.length);
    // The suites have 268 prompts.
    for (const rungs of full.rungs) expect(rungs.reduce((a, b) => a + b)).toBeLessThanOrEqual(268);
    expect(smallerPlan(full, 0.1)).toMatchObject({
      prompts: [20, 20, 6],
      rungs: [
        [2, 4, 9],
        [2, 3, 7],
        [2, 2, 3],
      ],
    });
  });
});
