import type { Relation } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { sampleScene } from '../world/sample.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { FACTS, factsOf } from './clip-facts.ts';

const scene = (
  seed: number,
  relation: Relation,
  colours: ['red', 'blue'] | ['blue', 'red'] = ['red', 'blue'],
) =>
  sampleScene(sceneGenerator(seed), {
    kinds: ['cat', 'house'],
    colours,
    sizes: ['small', 'small'],
    relation,
  });
const difference = (a: Set<number>, b: Set<number>) => [...a].filter((fact) => !b.has(fact));

describe('the facts of a scene', () => {
  it('lie in their range', () => {
    for (const fact of factsOf(scene(1, 'inside'))) expect(fact).toBeLessThan(FACTS);
  });

  it('are the same for scenes of which the same can be said', () => {
    const facts = (seed: number) =>
      [...factsOf({ ...scene(seed, 'left of'), background: { kind: 'plain', tint: 0, horizon: 1 } })].sort();
    expect(facts(1)).toEqual(facts(2));
  });

  it('differ for exchanged colours and for reversed relations', () => {
    const facts = factsOf(scene(1, 'above'));
    expect(difference(facts, factsOf(scene(1, 'above', ['blue', 'red']))).length).toBeGreaterThanOrEqual(2);
    expect(difference(facts, factsOf(scene(1, 'below'))).length).toBeGreaterThanOrEqual(4);
  });
});
