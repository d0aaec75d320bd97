/**
 * @file What CLIP's image embedding should contain, as yes-or-no facts. Captions contain the same, but a batch has few false
 * captions for each image; the facts cover every kind, colour and relation at once and cost one small matrix.
 */

import { COLOURS, KINDS, RELATIONS } from 'sgool/evaluate';
import { BACKGROUNDS, SIZES } from '../world/kinds.ts';
import { relationHolds, type Scene } from '../world/scene.ts';

const WHICH = KINDS.length * COLOURS.length;
/** For each relation: kind and colour of its subject, and kind and colour of its object. */
const PLACE = RELATIONS.length * 2 * (KINDS.length + COLOURS.length);

/** Number of facts. */
export const FACTS = WHICH + PLACE + KINDS.length * SIZES.length + BACKGROUNDS.length;

/** Indices of the facts that hold in a scene; relations count where they are clear and the scene has two things. */
export function factsOf(scene: Scene): Set<number> {
  const { objects, background } = scene;
  const facts = new Set<number>();
  const kind = (i: number) => KINDS.indexOf(objects[i].kind);
  const colour = (i: number) => COLOURS.indexOf(objects[i].colour);
  objects.forEach(({ size }, i) => {
    facts.add(kind(i) * COLOURS.length + colour(i));
    facts.add(WHICH + PLACE + kind(i) * SIZES.length + SIZES.indexOf(size));
  });
  if (objects.length === 2) {
    for (const [a, b] of [
      [0, 1],
      [1, 0],
    ] as const) {
      RELATIONS.forEach((relation, r) => {
        if (relationHolds(scene, a, relation, b) !== 'true') return;
        [kind(a), KINDS.length + colour(a)].forEach((what) => {
          facts.add(WHICH + 2 * r * (KINDS.length + COLOURS.length) + what);
        });
        [kind(b), KINDS.length + colour(b)].forEach((what) => {
          facts.add(WHICH + (2 * r + 1) * (KINDS.length + COLOURS.length) + what);
        });
      });
    }
  }
  facts.add(WHICH + PLACE + KINDS.length * SIZES.length + BACKGROUNDS.indexOf(background.kind));
  return facts;
}
