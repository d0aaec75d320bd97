/** @file How often the judge is correct on images whose truth is known. */

import { type Detection, detectedRelation, judgePrompt, RELATIONS } from 'sgool/evaluate';
import { groupsOf } from '../../world/groups.ts';
import { relationHolds, type Scene } from '../../world/scene.ts';

export type JudgeAccuracy = {
  /** Share of the things that are found in their colour. */
  readonly thingAndColour: number;
  /** Detections beyond the number of things, per thing. */
  readonly spurious: number;
  /** Share of the clear relations, between two things of different kinds, that are found. */
  readonly relations: number;
  /** Share of the groups (things of one kind and colour) of which it finds as many as there are. */
  readonly counts: number;
};

/** Counts image by image, so that images can be judged as they are made. */
export interface JudgeTally {
  /** @param detections the judge's, in an image of `scene` */
  add(scene: Scene, detections: readonly Detection[]): void;
  result(): JudgeAccuracy;
}

/** An empty tally. */
export function judgeTally(): JudgeTally {
  let [things, right, spurious, relations, relationsRight, groups, groupsRight] = [0, 0, 0, 0, 0, 0, 0];
  return {
    add(scene, detections) {
      const { objects } = scene;
      things += objects.length;
      right += judgePrompt(detections, { things: objects }).things * objects.length;
      spurious += Math.max(0, detections.length - objects.length);
      for (const { kind, colour, count } of groupsOf(objects)) {
        groups++;
        if (detections.filter((d) => d.kind === kind && d.colour === colour).length === count) groupsRight++;
      }
      if (objects.length !== 2 || objects[0].kind === objects[1].kind) return;
      const [a, b] = objects.map(({ kind }) => detections.find((d) => d.kind === kind));
      for (const relation of RELATIONS) {
        if (relationHolds(scene, 0, relation, 1) !== 'true') continue;
        relations++;
        if (a && b && detectedRelation(a, relation, b)) relationsRight++;
      }
    },
    result: () => ({
      thingAndColour: right / things,
      spurious: spurious / things,
      relations: relationsRight / relations,
      counts: groupsRight / groups,
    }),
  };
}
