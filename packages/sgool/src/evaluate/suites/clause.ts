/** @file Clauses: single claims about an image or a clip that the judge can check. */
import { z } from 'zod';
import { MOVES } from '../../networks/judge/moves.ts';
import { COLOURS, KINDS, RELATIONS } from '../../networks/judge/vocabulary.ts';

/** A thing as a prompt describes it; what the prompt leaves open is absent. */
const thingSchema = z.strictObject({
  kind: z.enum(KINDS),
  colour: z.enum(COLOURS).optional(),
});

/**
 * A clause. Things are numbered from 0 in the order of the `present` clauses of their reading; `subject`, `object`, `larger` and
 * `smaller` are such numbers. A `move` is a claim about a clip: no single frame shows it.
 */
export const clauseSchema = z.discriminatedUnion('claim', [
  z.strictObject({ claim: z.literal('present'), ...thingSchema.shape }),
  z.strictObject({ claim: z.literal('absent'), ...thingSchema.shape }),
  /** There are exactly so many of them. */
  z.strictObject({ claim: z.literal('count'), ...thingSchema.shape, number: z.int().min(0) }),
  z.strictObject({
    claim: z.literal('relation'),
    subject: z.int().min(0),
    relation: z.enum(RELATIONS),
    object: z.int().min(0),
  }),
  z.strictObject({ claim: z.literal('size'), larger: z.int().min(0), smaller: z.int().min(0) }),
  z.strictObject({ claim: z.literal('move'), subject: z.int().min(0), move: z.enum(MOVES) }),
]);

/** A claim about an image or a clip that the judge can check. */
export type Clause = z.infer<typeof clauseSchema>;
