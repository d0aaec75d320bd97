import { decodeMaps, detectedRelation, JUDGE_TRAITS, judgePrompt } from 'sgool/evaluate';
import { expect, it } from 'vitest';
import { renderWithMasks } from '../world/render.ts';
import { sceneFromSeed } from '../world/sample.ts';
import { TARGET_SIZES, writeTargets } from './targets.ts';

it('is what the judge decodes from the training targets', () => {
  for (let seed = 0; seed < 60; seed++) {
    const scene = sceneFromSeed(seed);
    const targets = {
      heat: new Float32Array(TARGET_SIZES.heat),
      present: new Float32Array(TARGET_SIZES.present),
      colour: new Float32Array(TARGET_SIZES.colour),
      traits: new Float32Array(TARGET_SIZES.traits),
    };
    const { masks } = renderWithMasks(scene);
    writeTargets(scene, masks, targets);
    const detections = decodeMaps({
      heat: targets.heat.map((p) => 12 * (p - 0.5)),
      colour: targets.colour.map((p) => 12 * p),
      traits: targets.traits.map((v, i) => (i % JUDGE_TRAITS < 4 ? v : 12 * (v - 0.5))),
    });
    // Two of one kind whose centres are neighbours make one peak; the world draws such scenes hardly ever.
    expect(detections).toHaveLength(scene.objects.length);
    expect(judgePrompt(detections, { things: scene.objects })).toMatchObject({ correct: true, things: 1 });
    const { relation } = scene;
    if (!relation) continue;
    const [a, b] = [scene.objects[relation.subject], scene.objects[relation.object]];
    if (a.kind === b.kind) continue;
    const [subject, object] = [a, b].map((thing) => detections.filter((d) => d.kind === thing.kind)[0]);
    expect(detectedRelation(subject, relation.relation, object)).toBe(true);
    expect(detectedRelation(object, relation.relation, subject)).toBe(false);
  }
});
