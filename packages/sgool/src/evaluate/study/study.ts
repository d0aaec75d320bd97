/** @file `<study>/study.json`: a blinded study of pairs of pictures. It knows what raters must not; the server tells them ids only. */
import { join } from 'node:path';
import { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { seedSchema } from '../cells/cell.ts';

/** Version of the file. A newer one is refused. */
export const STUDY_FORMAT = 1;

/** Names of the files in the folder of a study. */
export const STUDY_FILES = {
  study: 'study.json',
  pictures: 'pictures',
  votes: 'votes',
  report: 'report',
} as const;

const idSchema = z.string().regex(/^[0-9a-f]{16}$/);

const questionSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  text: z.string().min(1).max(200),
  /** Whether the prompt is shown with it. The question of quality does not show it, so that the text does not decide. */
  showsText: z.boolean(),
});
/** What raters are asked about every pair. */
export type Question = z.output<typeof questionSchema>;

const pictureSchema = z.strictObject({
  /** Random, and used in this pair only, so that it tells nothing of the method. */
  id: idSchema,
  /** SHA-256 of `pictures/<sha256>.png`. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  width: z.int(),
  height: z.int(),
  /** Label of the method; absent for the wrong picture of an attention check. */
  label: z.string().optional(),
  /** Id of the cell that the picture comes from. */
  cell: z.string(),
});
export type StudyPicture = z.output<typeof pictureSchema>;

export const CHECK_KINDS = ['degraded', 'wrong-prompt'] as const;

const pairSchema = z.strictObject({
  id: idSchema,
  suite: z.string(),
  /** Id of the prompt within its suite. */
  prompt: z.string(),
  text: z.string(),
  category: z.string().optional(),
  seed: seedSchema,
  /** In the order of the study's methods. For a check, `a` is right and `b` is wrong. */
  a: pictureSchema,
  b: pictureSchema,
  /** Present where the answer is known: the picture `a`, for these questions. */
  check: z.strictObject({ kind: z.enum(CHECK_KINDS), questions: z.array(z.string()) }).optional(),
});
export type StudyPair = z.output<typeof pairSchema>;

export const studySchema = z.strictObject({
  format: z.literal(STUDY_FORMAT),
  id: idSchema,
  name: z.string(),
  /** What raters see as the heading. */
  title: z.string(),
  created: z.string(),
  /** Decides which pairs are shown, and with a rater's id their order and sides. */
  seed: z.int(),
  evaluation: z.strictObject({ command: z.string(), created: z.string(), model: z.string() }),
  /** Labels of the methods that are compared. */
  methods: z.array(z.string()).min(2),
  /** Label that the others are compared with. */
  reference: z.string(),
  questions: z.array(questionSchema).min(1),
  /** Pairs that each rater sees, beside the checks. */
  perRater: z.int().min(1),
  /** Stated before the first vote: who answers more than this share of the checks wrongly, and at least `least` of them, is left out. */
  rule: z.strictObject({ wrongShare: z.number(), least: z.int() }),
  pairs: z.array(pairSchema).min(1),
  /** Pairs of methods whose pictures are the same file: nothing to choose, and not shown. */
  identical: z.array(z.strictObject({ methods: z.tuple([z.string(), z.string()]), pairs: z.int() })),
  /** SHA-256 over the hashes of all pictures, in order. */
  pictures: z.string(),
});
/** A study as it is stored. */
export type Study = z.output<typeof studySchema>;

/** The two questions of the article's trial: quality and consistency with the text. */
export const QUESTIONS: readonly Question[] = [
  { id: 'better', text: 'Which picture is better?', showsText: false },
  { id: 'fits', text: 'Which picture fits the text better?', showsText: true },
];

/** Path of the file of a picture. */
export function picturePath(folder: string, { sha256 }: Pick<StudyPicture, 'sha256'>): string {
  return join(folder, STUDY_FILES.pictures, `${sha256}.png`);
}

/** @throws UserError where there is none, it is broken, or a newer sgool wrote it */
export async function readStudy(folder: string): Promise<Study> {
  const path = join(folder, STUDY_FILES.study);
  const text = await files.readText(path, SIZE_LIMITS.record).catch((error: unknown) => {
    throw new UserError(
      `${folder}: is no study, it has no ${STUDY_FILES.study}; make one with sgool study create <evaluation>`,
      { cause: error },
    );
  });
  const value = parseJson(text, path);
  const found = (value as { format?: unknown } | null)?.format;
  if (typeof found === 'number' && found > STUDY_FORMAT) {
    throw new UserError(
      `${path}: a newer sgool wrote it (format ${found}), this one reads up to ${STUDY_FORMAT}`,
    );
  }
  const result = studySchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UserError(`${path}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}
