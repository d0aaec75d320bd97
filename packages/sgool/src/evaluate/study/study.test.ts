import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../image/read-image.ts';
import { cellPaths } from '../cells/run-folder.ts';
import { groupOf, stepsFor } from './assignment.ts';
import { mosaic, sharesNoWord } from './create-study.ts';
import { picturePath, readStudy, type Study, type StudyPair } from './study.ts';
import { fakeStudy } from './testing.ts';
import { foldVotes, parseVotes, raterOf, VoteFiles } from './votes.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-study-'));
});
afterAll(() => rm(folder, { recursive: true }));

const realPairs = ({ pairs }: Study) => pairs.filter(({ check }) => check === undefined);
const checksOf = ({ pairs }: Study) => pairs.filter(({ check }) => check !== undefined);
const counts = (keys: readonly string[]) =>
  Object.fromEntries([...new Set(keys)].toSorted().map((key) => [key, keys.filter((k) => k === key).length]));
const coupleOf = ({ a, b }: StudyPair) => `${a.label} ${b.label}`;

describe('making a study', () => {
  it('shares its pairs out over the couples of methods, the categories and the prompts', async () => {
    const { study } = await fakeStudy(join(folder, 'even'), { prompts: 12, seeds: 2, pairs: 18 });
    expect(counts(realPairs(study).map(coupleOf))).toEqual({
      'best-of sgool': 6,
      'sd best-of': 6,
      'sd sgool': 6,
    });
    const ofOne = realPairs(study).filter((pair) => coupleOf(pair) === 'sd sgool');
    expect(counts(ofOne.map(({ category = '' }) => category))).toEqual({
      Colors: 2,
      Counting: 2,
      Positional: 2,
    });
    expect(new Set(ofOne.map(({ prompt }) => prompt)).size).toBe(6);
  });

  it('shows a second seed of a prompt only after the first of all, and the same pairs for the same seed', async () => {
    const picked = async (name: string, seed: number) => {
      const { study } = await fakeStudy(join(folder, name), { prompts: 4, seeds: 2, pairs: 12, seed });
      return realPairs(study).map((pair) => `${coupleOf(pair)} ${pair.prompt} ${pair.seed}`);
    };
    const [one, again, other] = [await picked('s1', 1), await picked('s1-again', 1), await picked('s2', 2)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    const prompts = one.filter((pair) => pair.startsWith('sd sgool')).map((pair) => pair.split(' ')[2]);
    expect(new Set(prompts)).toEqual(new Set(['1', '2', '3', '4']));
  });

  it('compares every two methods, or each with the reference', async () => {
    const { study } = await fakeStudy(join(folder, 'reference'), { prompts: 3, pairing: 'reference' });
    expect(Object.keys(counts(realPairs(study).map(coupleOf)))).toEqual(['sd best-of', 'sd sgool']);
    await expect(
      fakeStudy(join(folder, 'no-reference'), { pairing: 'reference', methods: ['best-of', 'sgool'] }),
    ).rejects.toThrow('--pairing: the reference sd is none of --methods');
  });

  it('tells nothing of a method by ids, names or texts in files', async () => {
    const { study, folder: dir, evaluation } = await fakeStudy(join(folder, 'blind'), { prompts: 4 });
    const ids = study.pairs.flatMap(({ id, a, b }) => [id, a.id, b.id]);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = evaluation.cells.map(({ id }) => id);
    const names = await readdir(join(dir, 'pictures'));
    for (const name of [...names, ...ids]) {
      expect(name).toMatch(/^[0-9a-f]{16}([0-9a-f]{48}\.png)?$/);
      expect(cells.some((id) => id.startsWith(name.slice(0, 12)))).toBe(false);
    }
    for (const { a } of study.pairs) {
      const file = await readFile(picturePath(dir, a));
      expect(file.includes('tEXt') || file.includes('iTXt')).toBe(false);
    }
    // Ids are drawn anew: whoever has the evaluation cannot compute them.
    const again = await fakeStudy(join(folder, 'blind-again'), { prompts: 4 });
    expect(again.study.pairs[0].a.id).not.toBe(study.pairs[0].a.id);
    expect(await readStudy(dir)).toEqual(study);
  });

  it('leaves out what was not made and what is the same picture, and says so', async () => {
    const { study, notes } = await fakeStudy(join(folder, 'failed'), { prompts: 4, failed: ['2'] });
    expect(
      realPairs(study)
        .filter((pair) => pair.prompt === '2')
        .map(coupleOf),
    ).toEqual(['sd best-of']);
    expect(notes).toContain('left out: 2 pairs of which a picture was not made');
    const evaluation = join(folder, 'same');
    const { evaluation: made } = await fakeStudy(evaluation, { prompts: 2 });
    const [first, second] = made.cells;
    const same = { ...second, record: first.record, id: first.id };
    const cells = [first, same, ...made.cells.slice(2)];
    const { createStudy } = await import('./create-study.ts');
    const options = { name: 'b', title: 't', pairing: 'all', seed: 0, now: new Date() } as const;
    const created = await createStudy({ ...made, cells }, options);
    expect(created.study.identical).toEqual([{ methods: ['sd', 'best-of'], pairs: 1 }]);
    expect(created.notes).toContain('left out: 1 pair of sd and best-of whose pictures are the same');
  });

  it('has checks whose answers are known: a mosaic, and a picture of other words', async () => {
    const texts = ['a red cat', 'two green boats', 'a blue star', 'the purple house'];
    const { study, folder: dir } = await fakeStudy(join(folder, 'checks'), {
      prompts: 8,
      checks: 4,
      side: 24,
      texts,
    });
    const checks = checksOf(study);
    expect(checks.map(({ check }) => check?.kind)).toEqual([
      'degraded',
      'wrong-prompt',
      'degraded',
      'wrong-prompt',
    ]);
    expect(checks.map(({ check }) => check?.questions)).toEqual([
      ['better', 'fits'],
      ['fits'],
      ['better', 'fits'],
      ['fits'],
    ]);
    for (const { a, b } of checks) expect([a.label, b.label]).toEqual([undefined, undefined]);
    const { data } = await decodeImage(await readFile(picturePath(dir, checks[0].b)), 'b');
    expect([data.slice(0, 3), data.slice(9, 12)].map((pixel) => [...pixel])).toEqual(
      Array(2).fill([...data.slice(0, 3)]),
    );
    const own = [{ id: 'hands', text: 'Which has the better hands?', showsText: true }];
    const asked = await fakeStudy(join(folder, 'own'), { questions: own });
    expect(checksOf(asked.study)).toEqual([]);
    expect(asked.notes.join()).toContain('there are 0 attention checks, not');
  });

  it('knows prompts without a common word', () => {
    expect(sharesNoWord('a red cat and a dog', 'The house, and a boat')).toBe(true);
    expect(sharesNoWord('a red cat', 'a blue Cat.')).toBe(false);
    expect(sharesNoWord('a red cat', '')).toBe(false);
  });

  it('leaves six squares of a side in a mosaic', () => {
    const image = {
      width: 64,
      height: 32,
      data: Uint8Array.from({ length: 64 * 32 * 3 }, (_, i) => i % 251),
    };
    const { data, width, height } = mosaic(image);
    expect([width, height]).toEqual([64, 32]);
    const colours = Array.from({ length: 64 * 32 }, (_, i) => data.slice(3 * i, 3 * i + 3).join());
    expect(new Set(colours).size).toBeLessThanOrEqual(36);
  });

  it.each([
    [{ methods: ['sd'] }, '--methods: needs at least two, got sd; choose from sd, best-of, sgool'],
    [{ methods: ['sd', 'dall-e'] }, 'this evaluation has no dall-e; choose from sd, best-of, sgool'],
    [
      { prompts: 1, failed: ['1'], methods: ['sd', 'sgool'] },
      'no prompt has different pictures of sd and sgool',
    ],
  ])('refuses %o', async (options, message) => {
    await expect(fakeStudy(await mkdtemp(join(folder, 'bad-')), { prompts: 2, ...options })).rejects.toThrow(
      message,
    );
  });

  it('refuses pictures that are gone or changed, and a name that is taken', async () => {
    const { evaluation } = await fakeStudy(join(folder, 'gone'), { prompts: 2 });
    const { createStudy } = await import('./create-study.ts');
    const options = { name: 'other', title: 't', pairing: 'all', seed: 0, now: new Date() } as const;
    await expect(createStudy(evaluation, { ...options, name: 'default' })).rejects.toThrow(
      'give another one with --name',
    );
    const { image } = cellPaths(evaluation.folder, evaluation.cells[0].id);
    await writeFile(image, await readFile(cellPaths(evaluation.folder, evaluation.cells[1].id).image));
    await expect(createStudy(evaluation, options)).rejects.toThrow('is not the picture that was scored');
    await rm(image);
    await expect(createStudy(evaluation, options)).rejects.toThrow('the picture is missing');
    await expect(readStudy(join(evaluation.folder, 'study', 'other'))).rejects.toThrow('is no study');
  });

  it('refuses a study of a newer version, and one that is broken', async () => {
    const { folder: dir } = await fakeStudy(join(folder, 'newer'), { prompts: 2 });
    const path = join(dir, 'study.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"format": 1', '"format": 2'));
    await expect(readStudy(dir)).rejects.toThrow('a newer sgool wrote it (format 2), this one reads up to 1');
    await writeFile(path, text.replace('"perRater"', '"perrater"'));
    await expect(readStudy(dir)).rejects.toThrow('perRater');
    await writeFile(path, text.slice(0, 100));
    await expect(readStudy(dir)).rejects.toThrow('not valid JSON');
  });
});

describe('what a rater sees', () => {
  const raters = Array.from({ length: 40 }, (_, number) => ({ id: raterOf(`rater ${number}`), number }));

  it('has each method on the left in half of the pairs, for every rater and every couple', async () => {
    const { study } = await fakeStudy(join(folder, 'sides'), { prompts: 12, pairs: 33 });
    for (const rater of raters) {
      const groups = new Map<string, number[]>();
      for (const { pair, left, right } of stepsFor(study, rater)) {
        expect(new Set([left.id, right.id])).toEqual(new Set([pair.a.id, pair.b.id]));
        groups.set(groupOf(pair), [...(groups.get(groupOf(pair)) ?? []), left === pair.a ? 1 : -1]);
      }
      for (const sides of groups.values())
        expect(Math.abs(sides.reduce((total, side) => total + side, 0))).toBeLessThanOrEqual(1);
    }
    // A pair is on both sides among raters, and in no fixed place of the order.
    const [pair] = study.pairs;
    const places = raters.map((rater) => stepsFor(study, rater).findIndex((step) => step.pair === pair));
    expect(new Set(places).size).toBeGreaterThan(15);
    const left = raters.filter((rater) => stepsFor(study, rater).some(({ left: one }) => one === pair.a));
    expect(left.length).toBeGreaterThan(8);
    expect(left.length).toBeLessThan(32);
  });

  it('is the same every time, another thing for every rater, and shares the pairs out evenly', async () => {
    const { study } = await fakeStudy(join(folder, 'some'), { prompts: 12, pairs: 30, perRater: 9 });
    const shown = raters.map((rater) =>
      stepsFor(study, rater).map(({ pair, left }) => `${pair.id} ${left.id}`),
    );
    expect(
      raters.map((rater) => stepsFor(study, rater).map(({ pair, left }) => `${pair.id} ${left.id}`)),
    ).toEqual(shown);
    expect(new Set(shown.map((steps) => steps.join())).size).toBe(raters.length);
    const checks = checksOf(study).length;
    expect(new Set(shown.map(({ length }) => length))).toEqual(new Set([9 + checks]));
    const often = Object.values(
      counts(
        raters
          .flatMap((rater) => stepsFor(study, rater).map(({ pair }) => pair))
          .flatMap((pair) => (pair.check ? [] : [pair.id])),
      ),
    );
    expect(often).toHaveLength(30);
    expect(Math.max(...often) - Math.min(...often)).toBeLessThanOrEqual(1);
    const couples = stepsFor(study, raters[0]).flatMap(({ pair }) => (pair.check ? [] : [coupleOf(pair)]));
    expect(Object.values(counts(couples))).toEqual([3, 3, 3]);
  });
});

describe('votes', () => {
  const at = '2026-01-02T03:04:05.000Z';
  const rater = '0123456789ab';
  const first = {
    kind: 'rater',
    format: 1,
    study: 's',
    pictures: 'p',
    rater,
    number: 0,
    at,
  } as const;
  const vote = (id: string, choice: string) => ({
    kind: 'vote',
    rater,
    id,
    pair: 'x',
    question: 'better',
    choice,
    left: 'l',
    right: 'r',
    ms: 5,
    at,
  });
  const undo = (id: string) => ({ kind: 'undo', rater, id, pair: 'x', question: 'better', at });
  const folded = (...lines: object[]) =>
    foldVotes(parseVotes(lines.map((line) => JSON.stringify(line)).join('\n')).lines);
  const choice = (...lines: object[]) => folded(first, ...lines)?.answers.get('x better')?.choice;

  it('count once, until they are taken back', () => {
    expect(choice(vote('1', 'left'))).toBe('left');
    expect(choice(vote('1', 'left'), vote('2', 'right'))).toBe('left');
    expect(choice(vote('1', 'left'), undo('2'))).toBeUndefined();
    expect(choice(vote('1', 'left'), undo('2'), vote('3', 'right'))).toBe('right');
    expect(choice(vote('1', 'left'), undo('2'), vote('1', 'left'))).toBeUndefined();
    expect(folded(vote('1', 'left'))).toBeUndefined();
  });

  it('survive a line that was cut off anywhere', () => {
    const whole = [first, vote('1', 'left')].map((line) => `${JSON.stringify(line)}\n`).join('');
    const last = `${JSON.stringify(vote('2', 'right'))}\n`;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: last.length - 2 }), (cut) => {
        const { lines, torn } = parseVotes(whole + last.slice(0, cut));
        expect([lines.length, torn]).toEqual([2, 1]);
      }),
    );
  });

  it('are added behind a line that was cut off', async () => {
    const { study, folder: dir } = await fakeStudy(join(folder, 'torn'), { prompts: 2 });
    const files = new VoteFiles(dir, study);
    const { token, log } = await files.enlist('Ada', new Date());
    const path = join(dir, 'votes', `${log.rater.rater}.jsonl`);
    await writeFile(path, `${await readFile(path, 'utf8')}{"kind":"vote","rater`);
    const line = { ...vote('7', 'tie'), kind: 'vote', choice: 'tie', rater: log.rater.rater } as const;
    expect(await files.add(line)).toBe('stored');
    expect(await files.add(line)).toBe('repeated');
    expect(await files.add({ ...line, id: '8' })).toBe('conflict');
    const found = await files.find(token);
    expect([found?.answers.size, found?.torn, found?.rater.nick]).toEqual([1, 1, 'Ada']);
    expect(await files.find(`${token}x`)).toBeUndefined();
    // The token is in no file.
    expect(await readFile(path, 'utf8')).not.toContain(token);
  });

  it('of many at once are all there, each rater with its own number', async () => {
    const { study, folder: dir } = await fakeStudy(join(folder, 'many'), { prompts: 2 });
    const files = new VoteFiles(dir, study);
    const made = await Promise.all(Array.from({ length: 30 }, () => files.enlist(undefined, new Date())));
    expect(new Set(made.map(({ log }) => log.rater.number)).size).toBe(30);
    const [{ log }] = made;
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        files.add({ ...vote(`${i}`, 'left'), kind: 'vote', choice: 'left', rater: log.rater.rater }),
      ),
    );
    expect(counts(outcomes)).toEqual({ conflict: 19, stored: 1 });
    await files.settled();
    expect((await files.all()).map(({ rater: { number } }) => number)).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    );
  });
});
