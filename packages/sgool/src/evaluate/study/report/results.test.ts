import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mulberry32 } from '../../mulberry32.ts';
import { stepsFor } from '../assignment.ts';
import { uniformFrom } from '../order.ts';
import type { Study, StudyPair } from '../study.ts';
import { fakeStudy, serveStudy, TestRater } from '../testing.ts';
import { type Choice, foldVotes, type RaterLog, raterOf } from '../votes.ts';
import { reportPage } from './page.ts';
import { studyResults, verdict } from './results.ts';
import { onWhite, sharesChart } from './shares-chart.ts';
import { writeStudyReport } from './write-report.ts';

let root = '';
let study: Study;
let folder = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-study-report-'));
  ({ study, folder } = await fakeStudy(join(root, 'shared'), { prompts: 20, pairs: 30, checks: 3 }));
});
afterAll(() => rm(root, { recursive: true }));

/** What a rater says of a pair: which picture, or neither. */
type Opinion = (pair: StudyPair, question: string, rater: number) => 'a' | 'b' | 'tie' | 'skip';

const attentive: Opinion = ({ check }) => (check === undefined ? 'tie' : 'a');

/** Logs of raters with opinions, without a server. */
function logsOf(of: Study, raters: number, opinion: Opinion): RaterLog[] {
  return Array.from({ length: raters }, (_, number) => {
    const rater = raterOf(`rater ${number}`);
    const at = '2026-01-01T00:00:00.000Z';
    const first = {
      kind: 'rater',
      format: 1,
      study: of.id,
      pictures: of.pictures,
      rater,
      number,
      at,
    } as const;
    const votes = stepsFor(of, { id: rater, number }).flatMap(({ pair, left, right }) =>
      of.questions.map(({ id: question }) => {
        const said = opinion(pair, question, number);
        const choice: Choice =
          said === 'tie' || said === 'skip' ? said : pair[said] === left ? 'left' : 'right';
        const id = `${pair.id} ${question}`;
        return {
          kind: 'vote',
          rater,
          id,
          pair: pair.id,
          question,
          choice,
          left: left.id,
          right: right.id,
          ms: 1500,
          at,
        } as const;
      }),
    );
    return foldVotes([first, ...votes]) as RaterLog;
  });
}

const coupleOf = (
  results: ReturnType<typeof studyResults>,
  question: number,
  method: string,
  against: string,
) => {
  const found = results.kept[question].couples.find(
    (one) => one.method === method && one.against === against,
  );
  if (found === undefined) throw new Error(`no couple ${method} ${against}`);
  return found;
};

/** 1 where `label` was chosen: raters prefer it with this chance. */
const prefers =
  (label: string, chance: number, uniform: () => number): Opinion =>
  (pair) => {
    if (pair.check !== undefined) return 'a';
    const first = pair.a.label === label;
    if (!first && pair.b.label !== label) return uniform() < 0.5 ? 'a' : 'b';
    return uniform() < chance === first ? 'a' : 'b';
  };

describe('shares', () => {
  it('count ties as one half and leave skips out', () => {
    const opinions = ['a', 'b', 'tie', 'skip', 'b'] as const;
    let i = 0;
    const logs = logsOf(study, 5, (pair, question) =>
      pair.check
        ? 'a'
        : question === 'fits' || pair.a.label !== 'sd' || pair.b.label !== 'sgool'
          ? 'tie'
          : opinions[i++ % 5],
    );
    const { all } = coupleOf(studyResults(study, logs), 0, 'sgool', 'sd');
    // `a` is sd: the share is of sgool.
    expect([all.wins, all.losses, all.ties, all.skips]).toEqual([20, 10, 10, 10]);
    expect(all.share).toBeCloseTo((20 + 5) / 40, 12);
    expect([all.prompts, all.raters]).toEqual([10, 5]);
  });

  it('have the reference second, and add up over the categories', () => {
    const results = studyResults(study, logsOf(study, 8, prefers('sgool', 0.7, mulberry32(1))));
    expect(results.kept[0].couples.map(({ method, against }) => `${method} ${against}`)).toEqual([
      'best-of sd',
      'sgool sd',
      'sgool best-of',
    ]);
    for (const { all, categories } of results.kept[0].couples) {
      expect(categories.map(({ category }) => category)).toEqual(['Colors', 'Counting', 'Positional']);
      for (const key of ['wins', 'ties', 'losses', 'skips'] as const)
        expect(categories.reduce((total, one) => total + one[key], 0)).toBe(all[key]);
    }
  });

  it('of few raters or prompts are called too few, even where all agree', () => {
    const of = (raters: number) =>
      coupleOf(
        studyResults(
          study,
          logsOf(
            study,
            raters,
            prefers('sgool', 1, () => 0),
          ),
        ),
        0,
        'sgool',
        'sd',
      );
    expect(verdict(of(3))).toBe('3 raters are too few to say which of sgool and sd people prefer');
    expect(of(1).all.interval?.low).toBeLessThan(0.75);
    expect(verdict(of(8))).toBe('sgool is preferred to sd');
    const against = logsOf(
      study,
      8,
      prefers('sgool', 0, () => 0.5),
    );
    expect(verdict(coupleOf(studyResults(study, against), 0, 'sgool', 'sd'))).toBe(
      'sd is preferred to sgool',
    );
    const ties = coupleOf(studyResults(study, logsOf(study, 8, attentive)), 0, 'sgool', 'sd');
    expect(verdict(ties)).toBe('no preference between sgool and sd is shown');
  });

  it('hold the truth in at least 19 of 20 studies of raters and prompts that differ', async () => {
    // Nobody prefers a method on the whole, but each rater and each prompt leans to one side.
    const runs = 120;
    let held = 0;
    for (let run = 0; run < runs; run++) {
      const uniform = mulberry32(1000 + run);
      const lean = () => 0.3 * (uniform() - 0.5) * 2;
      const [ofRater, ofPrompt] = [new Map<number, number>(), new Map<string, number>()];
      const opinion: Opinion = (pair, _, rater) => {
        if (pair.check !== undefined) return 'a';
        if (!ofRater.has(rater)) ofRater.set(rater, lean());
        if (!ofPrompt.has(pair.prompt)) ofPrompt.set(pair.prompt, lean());
        const chance = 0.5 + (ofRater.get(rater) ?? 0) / 2 + (ofPrompt.get(pair.prompt) ?? 0) / 2;
        return uniform() < chance ? 'a' : 'b';
      };
      const one = { ...study, questions: study.questions.slice(0, 1) };
      const results = studyResults(one, logsOf(one, 12, opinion), { resamples: 200 });
      const { interval = { low: 1, high: 0 } } = coupleOf(results, 0, 'sgool', 'sd').all;
      if (interval.low <= 0.5 && interval.high >= 0.5) held++;
    }
    expect(held / runs).toBeGreaterThanOrEqual(0.95);
  });
});

describe('attention checks', () => {
  it('leave out who gets more than a third of them wrong, and show the figures with them too', () => {
    const logs = logsOf(study, 12, (pair, question, rater) => {
      const isCareless = rater >= 9;
      if (pair.check !== undefined) return isCareless ? 'b' : 'a';
      if (question === 'fits') return 'tie';
      return isCareless === (pair.a.label === 'sd') ? 'a' : 'b';
    });
    const results = studyResults(study, logs);
    expect(results.raters.filter(({ isExcluded }) => isExcluded)).toHaveLength(3);
    const { all } = coupleOf(results, 0, 'sgool', 'sd');
    expect([all.share, all.raters]).toEqual([1, 9]);
    const everyone = results.everyone?.[0].couples.find(
      (one) => one.method === 'sgool' && one.against === 'sd',
    );
    expect(everyone?.all.share).toBeCloseTo(9 / 12, 12);
    expect(everyone?.all.raters).toBe(12);
  });

  it('take a tie as wrong, a skip as no answer, and forgive one', () => {
    const known = study.pairs.flatMap(({ check }) => check?.questions ?? []).length;
    expect(known).toBeGreaterThanOrEqual(4);
    const wrongs = ['tie', 'skip', 'one'];
    const logs = logsOf(study, 3, (pair, question, rater) => {
      if (pair.check === undefined) return 'tie';
      if (wrongs[rater] === 'one') return pair === checks[0] && question === 'fits' ? 'b' : 'a';
      return wrongs[rater] as 'tie' | 'skip';
    });
    expect(
      studyResults(study, logs).raters.map(({ wrong, checks: all, isExcluded }) => [wrong, all, isExcluded]),
    ).toEqual([
      [known, known, true],
      [0, 0, false],
      [1, known, false],
    ]);
  });
  const checks: StudyPair[] = [];
  beforeAll(() => {
    checks.push(...study.pairs.filter(({ check }) => check !== undefined));
  });

  it('are no part of the shares', () => {
    const { all } = coupleOf(studyResults(study, logsOf(study, 2, attentive)), 0, 'sgool', 'sd');
    expect(all.ties).toBe(20);
  });
});

describe('100 raters by HTTP', () => {
  // Each of 2200 answers waits for the disk, as in a real study: on a busy machine that takes its time.
  it('are recovered: a preference where there is one, none where there is none, the order of the strengths', {
    timeout: 300_000,
  }, async () => {
    const made = await fakeStudy(join(root, 'hundred'), { prompts: 12, pairs: 24, perRater: 9, checks: 2 });
    const server = await serveStudy(made.folder, made.study);
    const pairs = new Map(made.study.pairs.map((pair) => [pair.id, pair]));
    // Davidson's model with these strengths for the first question; none for the second.
    const strengths: Readonly<Record<string, number>> = { sd: 0, 'best-of': 0.6, sgool: 1.2 };
    const lefts = { method: 0, all: 0 };
    try {
      const raters: TestRater[] = [];
      for (let i = 0; i < 100; i++) raters.push(await TestRater.begin(server.base));
      const rate = async (rater: TestRater, number: number) => {
        const isCareless = number % 17 === 5;
        await rater.rateAll(['better', 'fits'], ({ pair: id, left }, question) => {
          const pair = pairs.get(id);
          if (pair === undefined) throw new Error(`unknown pair ${id}`);
          const { a, b } = pair;
          const side = (isFirst: boolean): Choice => (isFirst === (a.id === left.id) ? 'left' : 'right');
          if (isCareless) return 'left';
          if (pair.check !== undefined) return side(true);
          lefts.all++;
          if ([a, b].find((picture) => picture.id === left.id)?.label === (a.label ?? '')) lefts.method++;
          const gap = question === 'better' ? strengths[a.label ?? ''] - strengths[b.label ?? ''] : 0;
          const [win, tie, loss] = [Math.exp(gap / 2), 0.4, Math.exp(-gap / 2)];
          // By what is asked and not by when, so that every run of this test sees the same answers.
          const at =
            uniformFrom(`${number} ${a.label} ${b.label} ${pair.prompt} ${question}`)() * (win + tie + loss);
          return at < win ? side(true) : at < win + tie ? 'tie' : side(false);
        });
      };
      await Promise.all(raters.map(rate));
    } finally {
      await server.close();
    }
    // Each method was as often on the left as on the right. A rater with 7 pairs has 3 or 4 of them there, by a token that is drawn anew in
    // each run: of 94 raters the share has a deviation of 0.0074, of which 4 are allowed.
    expect(Math.abs(lefts.method / lefts.all - 0.5)).toBeLessThan(0.03);

    const { results, page } = await writeStudyReport(made.folder, made.study, join(made.folder, 'report'), {
      now: new Date(2026, 1, 1),
      shown: 'a/study',
      resamples: 500,
    });
    expect(results.raters).toHaveLength(100);
    const excluded = results.raters.filter(({ isExcluded }) => isExcluded);
    expect(excluded.map(({ left, wrong }) => [left, wrong])).toEqual(Array(6).fill([1, 2]));
    const [better, fits] = results.kept;
    for (const [method, against] of [
      ['best-of', 'sd'],
      ['sgool', 'sd'],
      ['sgool', 'best-of'],
    ]) {
      const gap = strengths[method] - strengths[against];
      const total = Math.exp(gap / 2) + 0.4 + Math.exp(-gap / 2);
      const truth = (Math.exp(gap / 2) + 0.2) / total;
      const { interval = { low: 1, high: 0 } } = coupleOf(results, 0, method, against).all;
      expect(interval.low).toBeLessThan(truth);
      expect(interval.high).toBeGreaterThan(truth);
      expect(verdict(coupleOf(results, 0, method, against))).toBe(`${method} is preferred to ${against}`);
      expect(verdict(coupleOf(results, 1, method, against))).toBe(
        `no preference between ${method} and ${against} is shown`,
      );
    }
    for (const { method, strength, interval } of better.strengths) {
      const truth = strengths[method] - 0.6;
      expect(interval?.low).toBeLessThan(truth);
      expect(interval?.high).toBeGreaterThan(truth);
      expect(Math.abs(strength - truth)).toBeLessThan(0.25);
    }
    for (const { interval = { low: 1, high: 0 } } of fits.strengths)
      expect(interval.low < 0 && interval.high > 0).toBe(true);
    expect(better.tie).toBeGreaterThan(0.3);
    expect(better.tie).toBeLessThan(0.5);

    const files = (await readdir(join(made.folder, 'report'))).toSorted();
    expect(files).toEqual([
      'index.html',
      'raters.csv',
      'report.json',
      'shares-1-best-of-sd.png',
      'shares-1-best-of-sd.svg',
      'shares-2-sgool-sd.png',
      'shares-2-sgool-sd.svg',
      'shares-3-sgool-best-of.png',
      'shares-3-sgool-best-of.svg',
      'shares.csv',
      'votes.jsonl',
    ]);
    const html = await readFile(page, 'utf8');
    expect(html).toContain('sgool is preferred to sd.');
    expect(html).not.toMatch(/(?:src|href)="|@import|url\(/);
    const lines = (await readFile(join(made.folder, 'report', 'votes.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(100 * (1 + 2 * 11));
    const votes = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'vote');
    const wins = votes.filter(
      ({ question, choice, leftMethod, rightMethod, rater }) =>
        question === 'better' &&
        (choice === 'left' ? leftMethod : choice === 'right' ? rightMethod : '') === 'sgool' &&
        [leftMethod, rightMethod].includes('sd') &&
        results.raters.some((one) => one.rater === rater && !one.isExcluded),
    );
    expect(wins).toHaveLength(coupleOf(results, 0, 'sgool', 'sd').all.wins);
    const [, row] = (await readFile(join(made.folder, 'report', 'shares.csv'), 'utf8')).split('\r\n');
    expect(row).toMatch(/^kept,better,,best-of,sd,\d+,\d+,\d+,0,8,\d+,0\.\d+,0\.\d+,0\.\d+$/);
  });
});

describe('the page and the charts', () => {
  it('are whole where nobody has answered yet', () => {
    const results = studyResults(study, []);
    expect(results.kept.map(({ couples }) => couples)).toEqual([[], []]);
    const page = reportPage(study, results, [], folder, new Date(2026, 0, 1));
    expect(page).toContain('0 raters gave 0 answers');
    expect(page).not.toMatch(/NaN|undefined/);
  });

  it('say what was left out', () => {
    const logs = logsOf({ ...study, pictures: 'other' }, 2, attentive);
    const torn = logsOf(study, 1, attentive).map((log) => ({ ...log, torn: 2 }));
    const { notes } = studyResults({ ...study, identical: [{ methods: ['sd', 'sgool'], pairs: 3 }] }, [
      ...logs,
      ...torn,
    ]);
    expect(notes).toEqual([
      '3 pairs of sd and sgool were the same picture and were not shown; they would be ties',
      '2 raters saw other pictures than this study has; they are left out',
      '2 lines of votes were cut off, because the server was killed',
    ]);
  });

  it('draw one bar for each category, labelled in percent, and no text as markup', () => {
    const results = studyResults(study, logsOf(study, 6, prefers('sgool', 0.8, mulberry32(2))));
    const svg = sharesChart('sgool', 'sd', results.kept);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" role="img"/);
    for (const text of [
      'all prompts (60)',
      'Colors (',
      'Counting (',
      'Which picture is better?',
      'sgool preferred',
    ])
      expect(svg).toContain(text);
    const { wins } = coupleOf(results, 0, 'sgool', 'sd').all;
    expect(svg).toContain(`${Math.round((100 * wins) / 60)}%`);
    expect(onWhite(svg)).not.toContain('currentColor');
    const wicked = results.kept.map((question) => ({
      ...question,
      couples: question.couples.map((couple) => ({ ...couple, method: '<script>' })),
    }));
    expect(sharesChart('<script>', 'sd', wicked)).not.toContain('<script>');
    expect(reportPage(study, { ...results, kept: wicked }, [], '<script>', new Date(0))).not.toContain(
      '<script>',
    );
  });
});
