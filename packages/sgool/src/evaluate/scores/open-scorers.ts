/** @file The scorers of an evaluation by their names. */
import { UserError } from '../../errors.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { LoadScorerOptions } from '../../preference/load-scorer.ts';
import { SCORER_NAMES, type ScorerName } from '../../preference/scorer-names.ts';
import { clipScorer } from './clip-scorer.ts';
import type { ImageScorer } from './image-scorer.ts';
import { judgeScorer } from './judge-scorer.ts';
import { preferenceScorer } from './preference-scorer.ts';
import { modelSha256 } from './weights-hash.ts';

/** Scorers that a run may have beside CLIP, which every run has. */
export const EVALUATION_SCORERS = ['clip', 'judge', ...SCORER_NAMES] as const;
export type EvaluationScorer = (typeof EVALUATION_SCORERS)[number];

/** A scorer, and perhaps the file of its weights. */
export interface WantedScorer {
  readonly name: EvaluationScorer;
  readonly weights?: string;
}

/** `hps-v2.1,pickscore=file.pt`. @throws UserError that names all scorers */
export function wantedScorers(text: string): WantedScorer[] {
  return text.split(',').map((item) => {
    const [, name, weights] = /^\s*([^=]*?)\s*(?:=\s*(.+?)\s*)?$/.exec(item) ?? [];
    const known = EVALUATION_SCORERS.find((one) => one === name);
    if (known === undefined || (weights !== undefined && !isPreference(known))) {
      throw new UserError(
        `--scorer: not usable, got ${item || 'nothing'}; choose from ${EVALUATION_SCORERS.join(', ')}`,
        {
          exitCode: 2,
        },
      );
    }
    return weights === undefined ? { name: known } : { name: known, weights };
  });
}

const isPreference = (name: EvaluationScorer): name is ScorerName =>
  (SCORER_NAMES as readonly string[]).includes(name);

/**
 * Opens scorers. Close each with `dispose`.
 *
 * @param hasTruth whether a prompt has clauses that the judge can check
 * @throws UserError where weights are missing
 */
export async function openScorers(
  wanted: readonly WantedScorer[],
  pipeline: Pipeline,
  hasTruth: boolean,
  options: LoadScorerOptions = {},
): Promise<ImageScorer[]> {
  const names = new Map(wanted.map((one) => [one.name, one]));
  const scorers: ImageScorer[] = [];
  try {
    const { has } = pipeline.model;
    if (has.clip || has.clipB) scorers.push(await clipScorer(pipeline, await clipHashes(pipeline)));
    if (hasTruth || names.has('judge')) scorers.push(await judgeScorer());
    for (const { name, weights } of names.values()) {
      if (!isPreference(name)) continue;
      scorers.push(
        await preferenceScorer(
          name,
          { ...options, ...(weights === undefined ? {} : { weights }) },
          undefined,
        ),
      );
    }
    return scorers;
  } catch (error) {
    for (const scorer of scorers) await scorer.dispose();
    throw error;
  }
}

/** SHA-256 of the folders of the CLIPs, where the model is a folder that holds them. */
async function clipHashes({ model }: Pipeline): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of ['clip', 'clip_b']) {
    const hash = await modelSha256(`${model.dir}/${name}`).catch(() => undefined);
    if (hash !== undefined) hashes[name] = hash;
  }
  return hashes;
}
