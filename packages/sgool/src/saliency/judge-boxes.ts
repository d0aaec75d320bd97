/**
 * @file The saliency model `judge`: the box of each thing that Toybox's judge sees. No saliency model of a user's knows as much, so it
 * is an upper bound for research: what would perfect regions be worth? A method that uses it is not judged by the judge.
 */
import type { Program } from '@sgool/autodiff';
import { resizeImage } from '../image/resize.ts';
import { JUDGE_IMAGE } from '../networks/judge/network.ts';
import { runJudge } from '../networks/judge/run-judge.ts';
import { boxMap } from './box-map.ts';
import type { Detector } from './detector.ts';

/**
 * Boxes are as salient as the judge is sure of them. Images of another size are resized to its 128 x 128 pixels.
 *
 * @param program of `openJudge`, compiled
 */
export function judgeBoxes(program: () => Promise<Pick<Program, 'run'>>): Detector {
  return {
    name: 'judge',
    async map(image) {
      const seen = resizeImage(image, JUDGE_IMAGE, JUDGE_IMAGE, 'bilinear');
      const detections = await runJudge(await program(), seen.data);
      const { width, height } = image;
      const boxes = detections.map(({ box: { x0, y0, x1, y1 }, confidence }) => ({
        left: x0 * width,
        top: y0 * height,
        width: (x1 - x0) * width,
        height: (y1 - y0) * height,
        saliency: confidence,
      }));
      return boxMap(image, boxes);
    },
  };
}
