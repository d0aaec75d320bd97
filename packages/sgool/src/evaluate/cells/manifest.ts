/** @file `<run>/evaluation.json`: what an evaluation compares, on which prompts, and by which scores. */
import { z } from 'zod';
import { JUDGE_NAMES } from '../../networks/judge/open-judge.ts';
import { clauseSchema } from '../suites/clause.ts';
import { seedSchema } from './cell.ts';

/** Version of the file. A newer one is refused. */
export const MANIFEST_FORMAT = 1;

/** What a score is to a method: it guides, it selects among iterates or candidates, or it does neither and may judge. */
export const SCORE_ROLES = ['guides', 'selects', 'judges'] as const;
export type ScoreRole = (typeof SCORE_ROLES)[number];

const methodSchema = z.strictObject({
  /** The column of the table: the name of the method, or what the user called it. Unique. */
  label: z.string().min(1),
  method: z.string(),
  /** What the request said beside the defaults. */
  request: z.record(z.string(), z.json()),
  /** All settings, with the values that it runs with. */
  settings: z.record(z.string(), z.json()),
  /** Names of the scores that its gradient follows, and of those by which it chooses its result. All others may judge it. */
  guides: z.array(z.string()),
  selects: z.array(z.string()),
  /** Whether it only selects among independent plain images; absent in evaluations of before there were other searches. */
});

const suiteSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  sha256: z.string(),
  origin: z.string(),
  licence: z.string().optional(),
  /** The judge that checks the clauses; default `judge`. */
  judge: z.enum(JUDGE_NAMES).optional(),
  defects: z.array(z.string()),
  /** Those that are run: all, or the ones that `--limit` and `--only` leave. */
  prompts: z.array(
    z.strictObject({
      id: z.string(),
      text: z.string(),
      category: z.string().optional(),
      readings: z.array(z.array(clauseSchema)).optional(),
    }),
  ),
});

/** A score as reports name it. */
export const scoreInfoSchema = z.strictObject({
  /** As in the records: `clip_b`, `judge`, `hps-v2.1`. */
  name: z.string(),
  title: z.string(),
  /** Scale and convention, in one line. */
  scale: z.string(),
  /** Decimals that distinguish images. */
  digits: z.int(),
  higherIsBetter: z.boolean(),
  /** False for what describes images and is no merit, as the motion of a clip: then no method is best by it. Default true. */
  isMerit: z.boolean().optional(),
  /** Whether its mean over prompts, and over suites, means anything. HPS compares images of one prompt only. */
  isAveraged: z.boolean(),
  /** Differences up to this one are ties. */
  tie: z.number(),
  /** SHA-256 of the weights, and a name of the preprocessing; absent where there are none. */
  weights: z.string().optional(),
  preprocessing: z.string().optional(),
});
export type ScoreInfo = z.output<typeof scoreInfoSchema>;

export const manifestSchema = z.strictObject({
  format: z.literal(MANIFEST_FORMAT),
  created: z.string(),
  /** The command as it was typed. */
  command: z.string(),
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  device: z.string(),
  precision: z.string(),
  methods: z.array(methodSchema).min(1),
  /** Label of the method that the others are compared with: the plain one. */
  reference: z.string(),
  suites: z.array(suiteSchema).min(1),
  /** Each prompt is run with each of them; prompt and seed decide the starting noise, whatever the method. */
  seeds: z.array(seedSchema).min(1),
  scores: z.array(scoreInfoSchema),
  versions: z.record(z.string(), z.string()),
});
/** What an evaluation compares. */
export type Manifest = z.output<typeof manifestSchema>;
export type EvaluatedMethod = Manifest['methods'][number];
export type EvaluatedSuite = Manifest['suites'][number];
