/** @file How well the judge reads rendered clips whose truth is known. */

import { type Judge, judgeClip, mean } from 'sgool/evaluate';
import { HELD_OUT_SEED, IMAGE } from '../../train/scenes.ts';
import { clipFromSeed, FRAMES, sceneAt } from '../../world/moves.ts';
import { renderScene } from '../../world/render.ts';

/**
 * Lets the judge read test clips, which no training draws.
 *
 * @returns share of the clips in which it sees every thing move as it does, and of the frames in which it finds everything, 0..1
 */
export async function movesRight(
  judge: Pick<Judge, 'detect'>,
  count: number,
): Promise<{ moves: number; frames: number }> {
  const verdicts = [];
  for (let i = 0; i < count; i++) {
    const clip = clipFromSeed(HELD_OUT_SEED + i);
    const frames = [];
    for (let frame = 0; frame < FRAMES; frame++) {
      frames.push(await judge.detect(renderScene(sceneAt(clip, frame), IMAGE)));
    }
    const things = clip.scene.objects.map(({ kind, colour }, k) => ({
      kind,
      colour,
      move: clip.moves[k].kind,
    }));
    verdicts.push(judgeClip(frames, things));
  }
  return {
    moves: mean(verdicts.map(({ moveRight }) => Number(moveRight))),
    frames: mean(verdicts.map(({ correct }) => correct)),
  };
}
