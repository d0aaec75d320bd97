/** @file The judge's scores: what is in the image, clause by clause. It guides and selects nothing but SGOOL by the saliency model `judge`. */
import { UserError } from '../../errors.ts';
import type { Detection } from '../../networks/judge/detections.ts';
import { JUDGE_IMAGE } from '../../networks/judge/network.ts';
import { type JudgeName, judgeFile } from '../../networks/judge/open-judge.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import { type ClauseVerdict, judgeClauses } from '../judge/clauses.ts';
import { type Judge, loadJudge } from '../judge/judge.ts';
import { judgeMoves } from '../judge/moves.ts';
import type { ImageScorer } from './image-scorer.ts';
import { oncePerImage } from './once-per-image.ts';

/** Differences of a score up to this one are ties; those of shares are whole clauses. */
const TIE = 0.01;

/** How each judge is called in reports. */
const JUDGE_TITLES: Readonly<Record<JudgeName, string>> = {
  judge: 'judge',
  'judge-counts': 'counting judge',
};

/** Names of the scores, what their titles say beside that of the judge, and their scales. */
const TITLES: Readonly<Record<keyof ClauseVerdict, readonly [name: string, title: string, scale: string]>> = {
  score: ['judge', '', 'mean probability of the clauses, 0 to 1'],
  correct: ['judge:correct', 'all right', '1 if every clause is fulfilled, else 0'],
  thing: ['judge:thing', 'things', 'share of the things that are there in any colour'],
  colour: ['judge:colour', 'colours', 'share of the things that are there in their colour'],
  relation: ['judge:relation', 'relations', 'share of the relations and comparisons that hold'],
  absence: ['judge:absence', 'absences', 'share of what must not be there and is not'],
  count: ['judge:count', 'counts', 'share of the numbers of things that are exact'],
};
const KEYS = Object.keys(TITLES) as (keyof ClauseVerdict)[];

const MOVES = 'judge:moves';

/**
 * A judge of Toybox's world, for images of 128 x 128 pixels and prompts whose truth is known. Other prompts have no such scores.
 *
 * @throws UserError where its weights are not installed
 */
export async function judgeScorer(
  which: JudgeName = 'judge',
  load: (options: { readonly name: JudgeName }) => Promise<Judge> = loadJudge,
): Promise<ImageScorer> {
  const weights = await fileSha256(judgeFile(which));
  const judge = await load({ name: which });
  const titleOf = (title: string) => [JUDGE_TITLES[which], title].filter((part) => part !== '').join(', ');
  const info = (name: string, title: string, scale: string, tie = 0): ScoreInfo => ({
    name,
    title,
    scale,
    digits: 3,
    higherIsBetter: true,
    isAveraged: true,
    tie,
    weights,
    preprocessing: `none: ${JUDGE_IMAGE} x ${JUDGE_IMAGE} RGB`,
  });
  const detect = oncePerImage(async ({ width, height, data }) => {
    if (width === JUDGE_IMAGE && height === JUDGE_IMAGE) return judge.detect(data);
    throw new UserError(
      `judge: sees images of ${JUDGE_IMAGE} x ${JUDGE_IMAGE} pixels only, got ${width} x ${height}`,
    );
  });
  return {
    infos: KEYS.map((key) => {
      const [name, title, scale] = TITLES[key];
      return info(name, key === 'correct' ? title : titleOf(title), scale, key === 'score' ? TIE : 0);
    }),
    ofClip: {
      infos: [info(MOVES, titleOf('moves'), '1 if every thing moves as the prompt says, else 0')],
      async score({ frames }, { readings = [] }) {
        const detections: (readonly Detection[])[] = [];
        for (const frame of frames) detections.push(await detect(frame));
        return { [MOVES]: judgeMoves(detections, readings) };
      },
    },
    ofIterates: true,
    async score({ image, prompt: { readings } }) {
      if (readings === undefined) return Object.fromEntries(KEYS.map((key) => [TITLES[key][0], null]));
      const verdict = judgeClauses(await detect(image), readings);
      return Object.fromEntries(KEYS.map((key) => [TITLES[key][0], verdict[key]]));
    },
    fits: () => ({}),
    dispose: () => judge.dispose(),
  };
}
