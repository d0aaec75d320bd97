import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METHOD_NAMES, METHODS, type MethodName, methods } from '../../methods/index.ts';
import { settingsOf } from '../../methods/run/create-method.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { EvaluatedMethod, Manifest } from '../cells/manifest.ts';
import { planCells } from '../cells/plan.ts';
import type { EvaluatedCell } from '../cells/run-folder.ts';
import { fakeInfo, fakeManifest } from '../cells/testing.ts';
import { noiseDifferences } from '../report/fairness.ts';
import { promptResults } from '../report/results.ts';
import { roleOf } from '../report/roles.ts';
import { claimEvaluation } from './claim-evaluation.ts';
import { withEqualSearch } from './equal-search.ts';
import { fairnessNotes } from './fairness.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-setup-'));
});
afterAll(() => rm(root, { recursive: true }));

describe('the folder of an evaluation', () => {
  it('is made, found again by the same command, and gets the scores that are asked for later', async () => {
    const folder = join(root, 'new/one');
    const made = await claimEvaluation(folder, fakeManifest());
    expect(made).toEqual(fakeManifest());
    const later = { ...fakeManifest({ scores: ['later'] }), created: 'later', command: 'another' };
    const found = await claimEvaluation(folder, later);
    expect(found.scores.map(({ name }) => name)).toEqual(['fake', 'later']);
    expect(found).toMatchObject({ created: made.created, command: made.command });
    expect(await claimEvaluation(folder, fakeManifest())).toEqual(found);
    expect(await readdir(folder)).toEqual(['evaluation.json']);
  });

  it('keeps seeds beyond 2^53 exactly', async () => {
    const seeds = [0, 2n ** 64n - 1n];
    const wanted: Manifest = { ...fakeManifest(), seeds };
    expect((await claimEvaluation(join(root, 'seeds'), wanted)).seeds).toEqual(seeds);
    expect((await claimEvaluation(join(root, 'seeds'), wanted)).seeds).toEqual(seeds);
  });

  it('keeps the scores of all processes that add some at once', async () => {
    const folder = join(root, 'at-once');
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name) => claimEvaluation(folder, fakeManifest({ scores: [name] }))));
    const { scores } = await claimEvaluation(folder, fakeManifest({ scores: [] }));
    expect(scores.map(({ name }) => name).toSorted()).toEqual(names);
  });

  const changes: [string, Partial<Manifest>, RegExp][] = [
    [
      'model',
      { model: { name: 'x', hash: 'e'.repeat(64) } },
      /model toybox \(ffffffff\), not x \(eeeeeeee\); give/,
    ],
    ['device', { device: 'webgpu' }, /device cpu, not webgpu;/],
    ['precision', { precision: 'float16' }, /precision float32, not float16;/],
    ['methods', { methods: fakeManifest().methods.slice(1) }, /other methods;/],
    ['reference', { reference: 'sgool' }, /reference sd, not sgool;/],
    ['suites', { suites: fakeManifest({ prompts: 3 }).suites }, /other suites;/],
    ['seeds', { seeds: [1] }, /other seeds;/],
  ];
  it.each(changes)(
    'of another evaluation is refused, and what differs is named: %s',
    async (_, change, message) => {
      const folder = join(root, 'fixed');
      await claimEvaluation(folder, fakeManifest());
      const error = await claimEvaluation(folder, { ...fakeManifest(), ...change }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({
        name: 'UserError',
        exitCode: 2,
        message: expect.stringMatching(message),
      });
      expect((error as Error).message).toMatch(/the command that began it: sgool evaluate --suite fake$/);
    },
  );

  it('under the same weights, the name of the model does not matter', async () => {
    const folder = join(root, 'name');
    await claimEvaluation(folder, fakeManifest());
    await claimEvaluation(folder, { ...fakeManifest(), model: { name: './toybox', hash: 'f'.repeat(64) } });
  });

  it.each(['weights', 'preprocessing'] as const)('a score by other %s is refused', async (key) => {
    const folder = join(root, key);
    const of = (value: string): Manifest => ({
      ...fakeManifest(),
      scores: [{ ...fakeManifest().scores[0], [key]: value }],
    });
    await claimEvaluation(folder, of('before'));
    await expect(claimEvaluation(folder, of('after'))).rejects.toThrow(
      `--scorer: ${folder} has the score fake by other ${key} (before; now after); give another folder, or the file`,
    );
  });

  it('that cannot be made is named in one line', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(claimEvaluation(join(root, 'file'), fakeManifest())).rejects.toThrow(
      /--out: cannot write in .*file: a file of that name is in the way/,
    );
    await expect(claimEvaluation(join(root, 'file/inside'), fakeManifest())).rejects.toThrow(
      /--out: cannot write in .*: a part of the path is a file, not a folder/,
    );
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('');
  });
});

describe('what guides and what selects', () => {
  const model = {
    name: 'toybox',
    width: 128,
    height: 128,
    scaleFactor: 8,
    sizeMultiple: 8,
    latentChannels: 4,
    has: { clip: true, clipB: true, transalnet: false },
    hint: {},
  } as unknown as ModelInfo;
  const rolesOf = (name: (typeof METHOD_NAMES)[number], settings: object) => {
    const method = methods[name];
    const request = { prompt: 'x', method: name, model: 'toybox', ...settings };
    return method.roles(settingsOf(method, { model }, request as never) as never);
  };
  const none = { guides: [], selects: [] };
  const both = { guides: ['clip_a'], selects: ['clip_a'] };
  const search = { guides: [], selects: ['clip_a'] };
  it.each([
    ['sd', {}, none],
    ['best-of', {}, search],
    ['zero-order', {}, search],
    ['trust-region-search', {}, search],
    ['resampling', {}, search],
    ['plan', { plan: 'best-of:1, zero-order:1' }, search],
    ['plan', {}, both],
    ['clip-guided', { keep: 'best' }, both],
    ['clip-guided', { keep: 'last' }, { guides: ['clip_a'], selects: [] }],
    ['flowchef', { keep: 'best' }, both],
    ['flowchef', {}, { guides: ['clip_a'], selects: [] }],
    ['doodl', { keep: 'best' }, both],
    ['doodl', { keep: 'last' }, { guides: ['clip_a'], selects: [] }],
    ['sgool', { keep: 'best' }, both],
    ['sgool', { keep: 'last' }, { guides: ['clip_a'], selects: [] }],
    ['free-init', {}, none],
    ['free-init', { keep: 'clip' }, search],
    ['detail', { saliency: 'centre' }, none],
    ['detail', { regionText: 'parts' }, { guides: ['clip_a'], selects: [] }],
    ['detail', { saliency: 'judge' }, { guides: ['judge'], selects: [] }],
    ['attend-and-excite', {}, none],
    ['attend-and-excite', { keep: 'clip' }, { guides: [], selects: ['clip_a'] }],
  ] as const)('%s %j', (name, settings, roles) => {
    expect(rolesOf(name, settings)).toEqual(roles);
  });
  it('is in this table for every method', () => {
    expect(METHOD_NAMES).toEqual([
      'sd',
      'clip-guided',
      'doodl',
      'sgool',
      'best-of',
      'attend-and-excite',
      'flowchef',
      'zero-order',
      'trust-region-search',
      'resampling',
      'free-init',
      'detail',
      'plan',
    ]);
    expect(METHODS.filter((one) => one.independentCandidates).map(({ name }) => name)).toEqual(['best-of']);
  });
  it('must not judge, in any of its conventions or by other names of its weights; everything else may', () => {
    const scores = [fakeInfo('clip_a'), fakeInfo('clip_b')].map((info) => ({ ...info, weights: info.name }));
    const of = (roles: Pick<EvaluatedMethod, 'guides' | 'selects'>, name: string, weights = name) =>
      roleOf(
        { label: 'm', method: 'm', request: {}, settings: {}, ...roles },
        { ...fakeInfo(name), weights },
        scores,
      );
    expect(of(both, 'clip_a')).toBe('guides');
    expect(of({ guides: [], selects: ['clip_a'] }, 'clip_a@regions')).toBe('selects');
    expect(of({ guides: ['clip_a'], selects: [] }, 'clip_a:cosine')).toBe('guides');
    expect(of(both, 'mine', 'clip_a')).toBe('guides');
    expect(of(both, 'clip_b')).toBe('judges');
    expect(of(none, 'clip_a')).toBe('judges');
  });
});

describe('fairness', () => {
  const method = (
    label: string,
    settings: EvaluatedMethod['settings'],
    guides: string[] = [],
  ): EvaluatedMethod => ({
    label,
    method: label,
    request: {},
    settings,
    guides,
    selects: [],
  });
  const score = (name: string, weights?: string) => ({
    ...fakeInfo(name),
    ...(weights === undefined ? {} : { weights }),
  });
  const bestOf = method('best-of', {});

  it('nothing is to be said where all methods sample alike, one is best-of, and a score may judge', () => {
    const settings = { sampler: 'ddim', steps: 10, guidanceScale: 7.5 };
    const all = [method('sd', settings), method('sgool', { ...settings, iterations: 5 }, ['clip_a']), bestOf];
    expect(
      fairnessNotes({
        methods: all,
        scores: [score('clip_a', 'x'), score('clip_a:cosine', 'x'), score('judge')],
      }),
    ).toEqual([]);
    expect(fairnessNotes({ methods: [method('sd', settings)], scores: [score('clip_a')] })).toEqual([]);
  });

  it.each(['sampler', 'steps', 'guidanceScale', 'eta', 'width', 'height', 'rng'])(
    'methods that differ in %s are named',
    (key) => {
      const all = [method('a', { [key]: 1 }), method('b', { [key]: 2 }), method('c', { [key]: 1 }), bestOf];
      expect(fairnessNotes({ methods: all, scores: [score('judge')] })).toEqual([
        `the methods differ in ${key}: 1 (a, c), 2 (b)`,
      ]);
    },
  );

  it('methods that no score can judge are named', () => {
    const all = [method('sd', {}), method('sgool', {}, ['clip_a']), bestOf];
    const scores = [score('clip_a'), score('clip_a@regions')];
    expect(fairnessNotes({ methods: all, scores })).toEqual([
      'no score can judge sgool: clip_a guides or selects there; add another with --scorer',
    ]);
  });

  it('two scores by the same weights are named once', () => {
    const scores = [
      score('clip_a', 'x'),
      score('clip_a:cosine', 'x'),
      score('clip_b', 'x'),
      score('clip_b:cosine', 'x'),
    ];
    expect(fairnessNotes({ methods: [method('sd', {}), bestOf], scores })).toEqual([
      'clip_a and clip_b have the same weights: where one guides, the other cannot judge',
    ]);
  });

  it('a table without best-of is named', () => {
    expect(fairnessNotes({ methods: [method('a', {}), method('b', {})], scores: [score('judge')] })).toEqual([
      'best-of is not among the methods: it shows what the same cost buys without any guidance',
    ]);
  });

  it('a score whose weights guide under another name is no judge', () => {
    const all = [method('sd', {}), method('sgool', {}, ['clip_a']), bestOf];
    const scores = [score('clip_a', 'x'), score('mine', 'x')];
    expect(fairnessNotes({ methods: all, scores })).toEqual([
      'no score can judge sgool: clip_a guides or selects there; add another with --scorer',
      'clip_a and mine have the same weights: where one guides, the other cannot judge',
    ]);
  });

  it('prompts and seeds whose methods began with different noise are named, those of other seeds are not', () => {
    const manifest = fakeManifest({ prompts: 1, seeds: 2 });
    const cells = planCells(manifest).map(
      (planned) =>
        ({
          ...planned,
          record: {
            status: 'done',
            noise: planned.label === 'sgool' && planned.seed === 1 ? 'x' : `${planned.seed}`,
          },
        }) as EvaluatedCell,
    );
    const differences = (some: EvaluatedCell[]) =>
      noiseDifferences(promptResults({ folder: '', manifest, cells: some }));
    expect(differences(cells)).toEqual({ checked: 2, differing: ['fake 1 seed 1'] });
    expect(differences(cells.filter(({ seed }) => seed === 0))).toEqual({ checked: 1, differing: [] });
  });
});

describe('the search of equal cost', () => {
  const wanted = (label: string, method: MethodName, settings: Record<string, string> = {}) => ({
    label,
    method,
    settings,
  });
  const resolve = ({ label, method, settings }: ReturnType<typeof wanted>): EvaluatedMethod => ({
    label,
    method,
    request: settings,
    settings: { iterations: 60, ...settings },
    guides: method === 'sgool' || method === 'doodl' ? ['clip_a'] : [],
    selects: method === 'best-of' ? ['clip_a'] : [],
  });
  /** The prompt is read once for 5, each candidate costs 10. */
  const workOf = async ({ method, settings }: Pick<EvaluatedMethod, 'method' | 'settings'>) =>
    ({ 'best-of': 5 + 10 * (Number(settings.iterations) + 1), sgool: 205, doodl: 95 })[method] ?? 10;
  const made = async (...methods: ReturnType<typeof wanted>[]) =>
    (await withEqualSearch(methods, methods[0].label, resolve, workOf)).map(
      ({ label, method, settings }) => `${label}: ${method} ${settings.iterations}`,
    );

  it('is added with as many candidates as the dearest method costs', async () => {
    expect(await made(wanted('sd', 'sd'), wanted('doodl', 'doodl'), wanted('sgool', 'sgool'))).toEqual([
      'sd: sd 60',
      'doodl: doodl 60',
      'sgool: sgool 60',
      'best-of: best-of 19',
    ]);
    expect((await made(wanted('sd', 'sd'), wanted('doodl', 'doodl'))).at(-1)).toBe('best-of: best-of 8');
  });

  it('is the one that is wanted, where it stands, with its own settings', async () => {
    const [sd, sgool] = [wanted('sd', 'sd'), wanted('sgool', 'sgool')];
    expect(await made(sd, wanted('search', 'best-of', { steps: '7' }), sgool)).toEqual([
      'sd: sd 60',
      'search: best-of 19',
      'sgool: sgool 60',
    ]);
    expect(await made(sd, wanted('mine', 'best-of', { iterations: '3' }), sgool)).toEqual([
      'sd: sd 60',
      'mine: best-of 3',
      'sgool: sgool 60',
    ]);
  });

  it('is not needed by plain images and searches alone', async () => {
    expect(await made(wanted('sd', 'sd'), wanted('long', 'sd'))).toEqual(['sd: sd 60', 'long: sd 60']);
    expect(await made(wanted('sd', 'sd'), wanted('best-of', 'best-of'))).toEqual([
      'sd: sd 60',
      'best-of: best-of 60',
    ]);
  });

  it('does not take the name of another method', async () => {
    await expect(made(wanted('sd', 'sd'), wanted('best-of', 'sgool'))).rejects.toThrow(
      'two methods are called best-of',
    );
  });
});
