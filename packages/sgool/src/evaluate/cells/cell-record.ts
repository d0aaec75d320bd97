/** @file What is kept of a cell: `<run>/cells/<first two digits>/<id>.json`, and beside it `<id>.png`, of a clip an animated one. */
import { z } from 'zod';
import { cellSchema } from './cell.ts';

/** Version of the file. A newer one is refused. */
export const RECORD_FORMAT = 1;

const regionSchema = z.strictObject({
  left: z.number(),
  top: z.number(),
  width: z.number(),
  height: z.number(),
  /** Share of the saliency in it. */
  mass: z.number(),
});

/** Values of scores by the names of `scores/`; null where a scorer could not score this cell, which `notes` explains. */
const scoresSchema = z.record(z.string(), z.number().nullable());

/** What a cell has cost, without loading. */
export const costSchema = z.strictObject({
  /** Network calls of the denoiser, one sample under one conditioning each, as `Iteration.evaluations` counts them. */
  forward: z.number(),
  pullback: z.number(),
  /** Model FLOPs of all networks that the method ran: denoiser, text encoder, decoder, CLIP, saliency. */
  flops: z.number(),
  seconds: z.number(),
});

const doneSchema = z.strictObject({
  format: z.literal(RECORD_FORMAT),
  id: z.string().regex(/^[0-9a-f]{64}$/),
  cell: cellSchema,
  status: z.literal('done'),
  /** Of a clip the size of its frames, which lie in one animated PNG. */
  image: z.strictObject({ sha256: z.string(), width: z.int(), height: z.int() }),
  /** Of a clip. */
  clip: z
    .strictObject({
      frames: z.int(),
      fps: z.number(),
      /** Salient boxes of each frame in pixels, most salient first. */
      regions: z.array(z.array(regionSchema)),
      jitter: z.number().optional(),
    })
    .optional(),
  /** SHA-256 of the starting noise as float64: cells of one prompt and seed have the same one. */
  noise: z.string(),
  /** How far the noise of the result is from noise, in standard deviations (random/noise-tests.ts); absent where it has none. */
  noiseTests: z.strictObject({ norm: z.number(), patches: z.number() }).optional(),
  /** The iteration that is the result, and the last one that ran. */
  iteration: z.int(),
  iterations: z.int(),
  cost: costSchema,
  scores: scoresSchema,
  /** Scores of each iterate, for the over-optimisation curve; present where the run asked for it. */
  curve: z.array(z.strictObject({ iteration: z.int(), scores: scoresSchema })).optional(),
  /** Salient boxes of the image in pixels, most salient first; of a clip those of its middle frame. */
  regions: z.array(regionSchema).optional(),
  /** Features of the image under a CLIP, base64 of float32 of length 1, for diversity. */
  features: z.record(z.string(), z.string()).optional(),
  /** Scores that read only a part of the prompt. */
  truncated: z.array(z.string()).optional(),
  /** One line each: what could not be scored and why. */
  notes: z.array(z.string()).optional(),
  machine: z.string(),
  finished: z.string(),
});

const failedSchema = z.strictObject({
  format: z.literal(RECORD_FORMAT),
  id: z.string().regex(/^[0-9a-f]{64}$/),
  cell: cellSchema,
  status: z.literal('failed'),
  /** In one line. */
  error: z.string(),
  /** Whether trying again may help: not for settings that are wrong or memory that is too small. */
  retry: z.boolean(),
  attempts: z.int(),
  machine: z.string(),
  finished: z.string(),
});

export const cellRecordSchema = z.discriminatedUnion('status', [doneSchema, failedSchema]);
/** What is kept of a cell. */
export type CellRecord = z.output<typeof cellRecordSchema>;
/** What is kept of a cell whose image was made. */
export type DoneCell = Extract<CellRecord, { status: 'done' }>;
