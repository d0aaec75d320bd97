/**
 * @file `sgool/evaluate`: what evaluations need. The judge says what an image of Toybox shows and never guides; statistics,
 * tables and charts report figures; model FLOPs say what a network's work is.
 *
 * @packageDocumentation
 */
export type { Cell } from '../evaluate/cells/cell.ts';
export type { CellRecord, DoneCell } from '../evaluate/cells/cell-record.ts';
export type { Manifest, ScoreInfo, ScoreRole } from '../evaluate/cells/manifest.ts';
export type { EvaluatedCell, Evaluation } from '../evaluate/cells/run-folder.ts';
export {
  type Axis,
  decadeAxis,
  positionOn,
  shortNumber,
  steppedAxis,
  tightAxis,
} from '../evaluate/charts/axis.ts';
export { type Bar, type BarChart, barChart } from '../evaluate/charts/bar-chart.ts';
export { type Line, type LineChart, lineChart, type Panel } from '../evaluate/charts/line-chart.ts';
export { type Judge, loadJudge } from '../evaluate/judge/judge.ts';
export {
  countModelFlops,
  type GuidedCall,
  type ModelFlops,
  networkModelFlops,
} from '../evaluate/model-flops.ts';
export { mixBits, mulberry32 } from '../evaluate/mulberry32.ts';
export { EQUAL_COST } from '../evaluate/report/cost-rows.ts';
export type { Curve, CurvePoint } from '../evaluate/report/curves.ts';
export type { SharedSetting } from '../evaluate/report/fairness.ts';
export type { Place } from '../evaluate/report/results.ts';
export type { SummariseOptions } from '../evaluate/report/summarise.ts';
export type {
  AgreementRow,
  BestRow,
  ComparisonRow,
  CostRow,
  DiversityRow,
  EqualCostRow,
  EquivalentRow,
  FailureRow,
  MeanRow,
  MethodRow,
  NoiseTestRow,
  Outcome,
  Summary,
} from '../evaluate/report/summary.ts';
export type { ReportOptions, WrittenReport } from '../evaluate/report/write-report.ts';
export { shuffled } from '../evaluate/shuffled.ts';
export {
  bootstrapInterval,
  groupedInterval,
  type Interval,
  percentileInterval,
} from '../evaluate/statistics/bootstrap.ts';
export {
  bradleyTerry,
  davidsonChances,
  type PairCounts,
  type Strengths,
} from '../evaluate/statistics/bradley-terry.ts';
export {
  type Comparison,
  compareGroups,
  comparePairs,
  type GroupedComparison,
  promptsNeeded,
} from '../evaluate/statistics/compare.ts';
export {
  type CrossedOptions,
  type CrossedPlace,
  crossedInterval,
  crossedResamples,
} from '../evaluate/statistics/crossed-bootstrap.ts';
export { median } from '../evaluate/statistics/descriptive.ts';
export {
  type EquivalentN,
  equivalentN,
  equivalentNInterval,
  expectedMaximum,
} from '../evaluate/statistics/equivalent-n.ts';
export { krippendorffAlpha } from '../evaluate/statistics/krippendorff.ts';
export { holm, type SignedRank, signedRankTest } from '../evaluate/statistics/wilcoxon.ts';
export { wilsonInterval } from '../evaluate/statistics/wilson.ts';
export {
  pearson,
  type WithinCorrelation,
  withinCorrelation,
} from '../evaluate/statistics/within-correlation.ts';
export type { Clause } from '../evaluate/suites/clause.ts';
export type { Suite, SuitePrompt } from '../evaluate/suites/suite.ts';
export { markdownTable, percent, replaceBetween, signed } from '../evaluate/table.ts';
export { escapeMarkup } from '../evaluate/text.ts';
export {
  type Detection,
  decodeMaps,
  detectedRelation,
  type JudgeMaps,
  judgePrompt,
  type Verdict,
} from '../networks/judge/detections.ts';
export { type ClipVerdict, judgeClip, trackThing, type WantedMove } from '../networks/judge/judge-clip.ts';
export { hop, MOVES, type MoveKind, moveOf, type Track, type TrackPoint } from '../networks/judge/moves.ts';
export {
  JUDGE_GRID,
  JUDGE_IMAGE,
  JUDGE_TRAITS,
  type JudgeOutputs,
  judgeNetwork,
} from '../networks/judge/network.ts';
export { JUDGE_NAMES, type JudgeName } from '../networks/judge/open-judge.ts';
export { runJudge } from '../networks/judge/run-judge.ts';
export {
  COLOURS,
  type Colour,
  KINDS,
  type Kind,
  RELATIONS,
  type Relation,
} from '../networks/judge/vocabulary.ts';
export { mean, populationDeviation as standardDeviation } from '../numbers.ts';
export { meteredWork } from '../runtime/program-cache.ts';
