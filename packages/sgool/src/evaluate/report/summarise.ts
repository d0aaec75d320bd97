/** @file Computing the summary of an evaluation. */
import { UserError } from '../../errors.ts';
import { mean } from '../../numbers.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import type { EvaluatedMethod, Manifest, ScoreInfo } from '../cells/manifest.ts';
import type { Evaluation } from '../cells/run-folder.ts';
import { groupedInterval, type Interval } from '../statistics/bootstrap.ts';
import { compareGroups } from '../statistics/compare.ts';
import { holm, signedRankTest } from '../statistics/wilcoxon.ts';
import { agreementRows } from './agreement.ts';
import { costRows } from './cost-rows.ts';
import { curveOf } from './curves.ts';
import { distancesOf } from './diversity.ts';
import { equalCostRows, withFirstCandidates } from './equal-cost.ts';
import { equivalentRows } from './equivalent-rows.ts';
import { noiseLine, samplingLines, sharedSettings } from './fairness.ts';
import { shortRatio } from './format.ts';
import {
  categoryScopes,
  differencesOf,
  type PromptResults,
  placeOf,
  promptResults,
  type Scope,
  suiteScopes,
  valuesOf,
} from './results.ts';
import { isHeadline, judgingScores, roleOf } from './roles.ts';
import {
  type BestRow,
  type ComparisonRow,
  type DiversityRow,
  type EqualCostRow,
  type MeanRow,
  type MethodRow,
  type NoiseTestRow,
  type Outcome,
  SUMMARY_FORMAT,
  type Summary,
} from './summary.ts';
import { verdictOf } from './verdict.ts';

export interface SummariseOptions {
  /** The score that decides; default the first of those that may judge every method. */
  readonly judge?: string;
}

/** Below this a difference counts, after Holm's correction. */
export const ALPHA = 0.05;

/**
 * Computes what a report says. The files of the evaluation are not changed.
 *
 * @throws UserError where `judge` is no score of the evaluation, or guided or selected a method
 */
export function summarise(evaluation: Evaluation, options: SummariseOptions = {}): Summary {
  const { cells } = evaluation;
  // With what the searches say of fewer candidates: these columns stand in the tables like every other.
  const whole = withFirstCandidates(evaluation);
  const { manifest } = whole;
  const { methods, reference, scores } = manifest;
  const firstOf = new Map(whole.firsts.map(({ label, firstOf }) => [label, { firstOf }]));
  const judging = orderedJudges(manifest, options.judge);
  const judges = judging.map(({ name }) => name);
  const prompts = promptResults(whole);
  const scopes = suiteScopes(prompts);
  const records = [...new Map(cells.flatMap(({ id, record }) => (record ? [[id, record]] : []))).values()];
  const done = records.filter((record) => record.status === 'done');

  const headlines = scores.filter(isHeadline);
  const categories = scopes.flatMap(categoryScopes);
  const means = [
    ...scopes.flatMap((scope) => meanRows(scope, methods, scores)),
    ...categories.flatMap((scope) => meanRows(scope, methods, headlines)),
  ];
  const comparisons = [
    ...scopes.flatMap((scope) => scores.flatMap((score) => comparisonRows(scope, manifest, score))),
    ...categories.flatMap((scope) => headlines.flatMap((score) => comparisonRows(scope, manifest, score))),
  ];
  const cost = costRows(manifest, whole.cells);
  const equalCost = equalCostRows(manifest, cost);
  const againstSearch = scopes.flatMap((scope) =>
    judging.flatMap((score) => searchRows(scope, manifest, score, equalCost)),
  );
  const best = scopes.flatMap((scope) => scores.flatMap((score) => bestRow(scope, manifest, score) ?? []));
  const noise = noiseLine(prompts);
  const partial = {
    format: SUMMARY_FORMAT,
    created: manifest.created,
    command: manifest.command,
    model: manifest.model,
    isOfClips: methods.some(({ settings }) => Number(settings.frames ?? 1) > 1),
    reference,
    methods: methods.map((method) => ({
      ...methodRow(method, manifest, whole.cells),
      ...firstOf.get(method.label),
    })),
    scores: scores.map((score) => ({
      ...score,
      isHeadline: isHeadline(score),
      judgesAll: methods.every((method) => roleOf(method, score, scores) === 'judges'),
    })),
    judges,
    prompts: prompts.length,
    seeds: manifest.seeds.length,
    cells: {
      total: new Set(cells.map(({ id }) => id)).size,
      done: done.length,
      failed: records.length - done.length,
    },
    means,
    comparisons,
    againstSearch,
    best,
    cost,
    equalCost,
    equivalent: scopes.flatMap((scope) =>
      judging
        .filter(({ isAveraged }) => isAveraged)
        .flatMap((score) => equivalentRows(scope, manifest, score, cost)),
    ),
    agreement: [...scopes, ...categories].flatMap((scope) =>
      agreementRows(scope, evaluation.manifest, judging),
    ),
    diversity: scopes.flatMap((scope) => diversityRows(scope, methods, done)),
    noiseTests: methods.flatMap(({ label }) => noiseTestRow(label, cells) ?? []),
    curves:
      judging.length === 0
        ? []
        : scopes
            .filter((scope) => scope.suite !== undefined)
            .flatMap((scope) =>
              evaluation.manifest.methods.flatMap((method) => curveOf(scope, method, judging[0].name) ?? []),
            ),
    failures: cells.flatMap(({ record, suite, prompt, label, seed, cell }) =>
      record?.status === 'failed'
        ? [
            {
              suite,
              prompt,
              text: cell.prompt,
              method: label,
              seed: String(seed),
              error: record.error,
              attempts: record.attempts,
            },
          ]
        : [],
    ),
    truncated: truncatedPrompts(prompts),
    defects: manifest.suites.flatMap(({ name, defects }) =>
      defects.map((defect) => ({ suite: name, defect })),
    ),
    noise,
    settings: sharedSettings(methods),
    machines: [...new Set(records.map(({ machine }) => machine))],
    notes: countedNotes(done),
  };
  const warnings = warningsOf(manifest, partial, judging);
  return { ...partial, warnings, verdict: verdictOf({ ...partial, warnings }) };
}

function orderedJudges(manifest: Manifest, wanted: string | undefined): ScoreInfo[] {
  const judging = judgingScores(manifest);
  if (wanted === undefined) return judging;
  const score = manifest.scores.find(({ name }) => name === wanted);
  if (score === undefined) {
    const names = manifest.scores.map(({ name }) => name).join(', ');
    throw new UserError(`--judge: the evaluation has no score ${wanted}; it has ${names || 'none'}`, {
      exitCode: 2,
    });
  }
  if (score.isMerit === false) {
    throw new UserError(`--judge: ${wanted} describes images and is no merit, so it cannot judge`, {
      exitCode: 2,
    });
  }
  const taught = manifest.methods.find((method) => roleOf(method, score, manifest.scores) !== 'judges');
  if (taught !== undefined) {
    const names = judging.map(({ name }) => name).join(', ');
    throw new UserError(
      `--judge: ${wanted} ${roleOf(taught, score, manifest.scores)} ${taught.label}, so it cannot judge it; these may: ${names || 'none'}`,
      { exitCode: 2 },
    );
  }
  return [score, ...judging.filter(({ name }) => name !== wanted)];
}

/** A single prompt says nothing of others. */
const intervalOf = (groups: readonly (readonly number[])[]) =>
  groups.length < 2 ? null : groupedInterval(groups);

function meanRows(
  scope: Scope,
  methods: readonly EvaluatedMethod[],
  scores: readonly ScoreInfo[],
): MeanRow[] {
  return scores
    .filter(({ isAveraged }) => isAveraged)
    .flatMap(({ name }) =>
      methods.flatMap(({ label }) => {
        const groups = valuesOf(scope, label, name);
        if (groups.length === 0) return [];
        return {
          ...placeOf(scope),
          method: label,
          score: name,
          prompts: groups.length,
          images: groups.flat().length,
          mean: mean(groups.map(mean)),
          interval: intervalOf(groups),
        };
      }),
    );
}

/** All methods against the reference, with Holm's correction over them. */
function comparisonRows(scope: Scope, manifest: Manifest, score: ScoreInfo): ComparisonRow[] {
  const others = manifest.methods.filter(({ label }) => label !== manifest.reference);
  return corrected(
    others.flatMap((method) => comparison(scope, manifest, method, manifest.reference, score) ?? []),
    score,
  );
}

type Uncorrected = Omit<ComparisonRow, 'pHolm' | 'outcome'>;

function corrected(rows: readonly Uncorrected[], score: ScoreInfo): ComparisonRow[] {
  const adjusted = holm(rows.map(({ p }) => p));
  return rows.map((row, i) => ({
    ...row,
    pHolm: adjusted[i],
    outcome: outcomeOf(row.interval, adjusted[i], score),
  }));
}

/** What describes images and is no merit is higher or lower, and neither is better. */
function outcomeOf(
  interval: Interval | null,
  p: number,
  { higherIsBetter, isMerit = true }: ScoreInfo,
): Outcome {
  if (interval === null || p >= ALPHA || (interval.low <= 0 && interval.high >= 0)) return 'not told apart';
  if (!isMerit) return interval.low > 0 ? 'higher' : 'lower';
  return interval.low > 0 === higherIsBetter ? 'better' : 'worse';
}

function comparison(
  scope: Scope,
  { scores }: Manifest,
  method: EvaluatedMethod,
  to: string,
  score: ScoreInfo,
): Uncorrected | undefined {
  const groups = differencesOf(scope, to, method.label, score.name);
  if (groups.length === 0) return undefined;
  const compared = compareGroups(groups, score.tie);
  const { wins, losses } = compared;
  return {
    ...placeOf(scope),
    method: method.label,
    to,
    score: score.name,
    role: roleOf(method, score, scores),
    prompts: compared.prompts,
    pairs: compared.pairs,
    difference: compared.difference,
    interval: compared.prompts < 2 ? null : compared.interval,
    p: compared.test.p,
    wins: score.higherIsBetter ? wins : losses,
    ties: compared.ties,
    losses: score.higherIsBetter ? losses : wins,
    effectSize: finite(compared.effectSize),
    promptsNeeded: finite(compared.needed),
  };
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);

/** The best of the methods that the score may judge, by its mean, or by its wins where a mean has no meaning; none by what is no merit. */
function bestRow(scope: Scope, manifest: Manifest, score: ScoreInfo): BestRow | undefined {
  if (score.isMerit === false) return undefined;
  const judged = manifest.methods.filter((method) => roleOf(method, score, manifest.scores) === 'judges');
  const sign = score.higherIsBetter ? 1 : -1;
  const heights = judged.flatMap(({ label }) => {
    // Relative to the reference where absolute values do not compare: then it is 0 itself.
    const groups = score.isAveraged
      ? valuesOf(scope, label, score.name)
      : differencesOf(scope, manifest.reference, label, score.name);
    return groups.length === 0 ? [] : [{ label, height: sign * mean(groups.map(mean)) }];
  });
  if (heights.length < 2) return undefined;
  const [best, ...others] = heights.toSorted((a, b) => b.height - a.height);
  const tests = others.map(({ label }) => {
    const groups = differencesOf(scope, label, best.label, score.name);
    return groups.length === 0 ? 1 : signedRankTest(groups.map(mean)).p;
  });
  const adjusted = holm(tests);
  return {
    ...placeOf(scope),
    score: score.name,
    method: best.label,
    ties: others.filter((_, i) => adjusted[i] >= ALPHA).map(({ label }) => label),
  };
}

function searchRows(
  scope: Scope,
  manifest: Manifest,
  score: ScoreInfo,
  equalCost: readonly EqualCostRow[],
): ComparisonRow[] {
  return corrected(
    equalCost.flatMap(({ method: label, search }) => {
      const method = manifest.methods.find((one) => one.label === label);
      return method === undefined || search === undefined
        ? []
        : (comparison(scope, manifest, method, search, score) ?? []);
    }),
    score,
  );
}

function diversityRows(
  scope: Scope,
  methods: readonly EvaluatedMethod[],
  done: readonly Extract<CellRecord, { status: 'done' }>[],
): DiversityRow[] {
  const networks = [...new Set(done.flatMap(({ features }) => Object.keys(features ?? {})))];
  return networks.flatMap((network) =>
    methods.flatMap(({ label }) => {
      const distances = distancesOf(scope, label, network);
      if (distances.length === 0) return [];
      return {
        ...placeOf(scope),
        method: label,
        network,
        prompts: distances.length,
        distance: mean(distances),
        interval: intervalOf(distances.map((distance) => [distance])),
      };
    }),
  );
}

/** Deviations that one in twenty of normal numbers exceeds. */
const BEYOND = 2;

function noiseTestRow(label: string, cells: Evaluation['cells']): NoiseTestRow | undefined {
  const tests = cells.flatMap((cell) =>
    cell.label === label && cell.record?.status === 'done' ? (cell.record.noiseTests ?? []) : [],
  );
  if (tests.length === 0) return undefined;
  const isBeyond = ({ norm, patches }: (typeof tests)[number]) =>
    Math.max(Math.abs(norm), Math.abs(patches)) > BEYOND;
  return {
    method: label,
    images: tests.length,
    norm: mean(tests.map(({ norm }) => norm)),
    patches: mean(tests.map(({ patches }) => patches)),
    beyond: tests.filter(isBeyond).length / tests.length,
  };
}

function methodRow(method: EvaluatedMethod, { scores }: Manifest, cells: Evaluation['cells']): MethodRow {
  const own = [
    ...new Map(cells.filter(({ label }) => label === method.label).map((cell) => [cell.id, cell])).values(),
  ];
  const count = (status: CellRecord['status']) =>
    own.filter(({ record }) => record?.status === status).length;
  const [done, failed] = [count('done'), count('failed')];
  return {
    label: method.label,
    method: method.method,
    guides: method.guides,
    selects: method.selects,
    roles: Object.fromEntries(scores.map((score) => [score.name, roleOf(method, score, scores)])),
    done,
    failed,
    missing: own.length - done - failed,
  };
}

function truncatedPrompts(prompts: readonly PromptResults[]): Summary['truncated'] {
  return prompts.flatMap(({ suite, id, byMethod }) => {
    const scores = new Set(
      [...byMethod.values()].flatMap((cells) => cells.flatMap(({ cell }) => cell.truncated ?? [])),
    );
    return scores.size === 0 ? [] : { suite, prompt: id, scores: [...scores] };
  });
}

function countedNotes(done: readonly Extract<CellRecord, { status: 'done' }>[]): Summary['notes'] {
  const counts = new Map<string, number>();
  for (const { notes = [] } of done) for (const note of notes) counts.set(note, (counts.get(note) ?? 0) + 1);
  return [...counts].map(([note, cells]) => ({ note, cells }));
}

function warningsOf(
  { methods, reference, seeds }: Manifest,
  { cells, noise, equalCost, scores, equivalent }: Omit<Summary, 'warnings' | 'verdict'>,
  judging: readonly ScoreInfo[],
): string[] {
  const isPlain = methods.some(
    ({ label, guides, selects }) => label === reference && guides.length + selects.length === 0,
  );
  const waiting = cells.total - cells.done - cells.failed;
  const unaveraged = scores.filter(({ isAveraged, isHeadline: is }) => is && !isAveraged);
  return [
    ...(waiting > 0 ? [`${waiting} of ${cells.total} images are not made yet.`] : []),
    ...(cells.failed > 0
      ? [`${cells.failed} of ${cells.total} images failed; pairs without both images are left out.`]
      : []),
    ...(noise.isEqual ? [] : [noise.text]),
    ...samplingLines(methods),
    ...(judging.length === 0
      ? ['Every score guided or selected a method: none may judge, so there is no result.']
      : []),
    ...equalCost.filter(({ isEqual }) => !isEqual).map(unequalLine),
    ...(isPlain
      ? equivalent.length === 0 && judging.some(({ isAveraged }) => isAveraged) && methods.length > 1
        ? [
            seeds.length < 2
              ? `Equivalent N is missing: it needs two or more seeds of ${reference} for each prompt.`
              : `Equivalent N is missing: ${reference} has no prompt with two different finished images.`,
          ]
        : []
      : [`Equivalent N is missing: ${reference} is no plain generation, a score guides or selects it.`]),
    ...(seeds.length < 2 ? ['Diversity is missing: it needs two or more seeds for each prompt.'] : []),
    ...unaveraged.map(
      ({ title }) =>
        `${title} compares images of one prompt only: it has no means here, but differences within prompts and wins.`,
    ),
  ];
}

function unequalLine({ method, search, ratio }: EqualCostRow): string {
  if (search === undefined || ratio === undefined) {
    return `Best-of at equal cost is missing for ${method}: no method that only selects among plain images was run.`;
  }
  const times = ratio >= 1 ? `${shortRatio(ratio)} times` : `1/${shortRatio(1 / ratio)} of`;
  return `Best-of at equal cost is missing for ${method}: the nearest, ${search}, has ${times} its cost.`;
}
