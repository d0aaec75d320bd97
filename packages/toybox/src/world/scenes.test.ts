import { COLOURS, KINDS, RELATIONS } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import type { NamedThing } from './groups.ts';
import { CONTAINERS } from './kinds.ts';
import { heldOutPairPrompts, singlePrompts } from './prompts.ts';
import { renderScene, renderWithMasks } from './render.ts';
import { sampleScene, sceneFromSeed } from './sample.ts';
import { boxOf, relationHolds, type Scene, type SceneRelation } from './scene.ts';
import { hashText, sceneGenerator } from './scene-generator.ts';
import { HELD_OUT_SHARE, isHeldOut } from './split.ts';

const seeds = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

/** Far faster than comparing element by element, as matchers do. */
const sameBytes = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);

describe('a seed', () => {
  it('gives the same scene and the same image every time', () => {
    for (const seed of seeds(20)) {
      const scene = sceneFromSeed(seed);
      expect(sceneFromSeed(seed)).toEqual(scene);
      expect(sameBytes(renderScene(sceneFromSeed(seed)), renderScene(scene))).toBe(true);
    }
    expect(sceneFromSeed(1)).not.toEqual(sceneFromSeed(2));
  });

  it('gives the scenes that the trained weights know', () => {
    // A change here means another world: every weight in toybox-models would have to be trained again.
    const scenes = seeds(50).map((seed) => sceneFromSeed(seed));
    expect(hashText(JSON.stringify(scenes))).toBe(2_641_002_474);
  });
});

describe('masks', () => {
  it('are disjoint, as large as they say, and tight in their boxes', () => {
    for (const seed of seeds(40)) {
      const scene = sceneFromSeed(seed);
      const { image, masks } = renderWithMasks(scene, 64);
      expect(sameBytes(image, renderScene(scene, 64))).toBe(true);
      expect(masks).toHaveLength(scene.objects.length);
      const covered = new Uint8Array(64 * 64);
      for (const { mask, box, area } of masks) {
        const [rows, columns] = [new Set<number>(), new Set<number>()];
        mask.forEach((on, at) => {
          if (on === 0) return;
          covered[at] += 1;
          rows.add(Math.floor(at / 64));
          columns.add(at % 64);
        });
        expect(mask.reduce((a, b) => a + b, 0)).toBe(area);
        expect([Math.min(...columns), Math.min(...rows)]).toEqual([box.x0, box.y0]);
        expect([Math.max(...columns) + 1, Math.max(...rows) + 1]).toEqual([box.x1, box.y1]);
      }
      expect(Math.max(...covered)).toBe(1);
    }
  });

  it('lie within the boxes that the layout reckons with, but for a soft edge', () => {
    for (const seed of seeds(40)) {
      const scene = sceneFromSeed(seed);
      renderWithMasks(scene).masks.forEach(({ box }, i) => {
        const outer = boxOf(scene.objects[i]);
        expect(box.x0).toBeGreaterThanOrEqual(128 * outer.x0 - 1.5);
        expect(box.y0).toBeGreaterThanOrEqual(128 * outer.y0 - 1.5);
        expect(box.x1).toBeLessThanOrEqual(128 * outer.x1 + 1.5);
        expect(box.y1).toBeLessThanOrEqual(128 * outer.y1 + 1.5);
      });
    }
  });
});

function relationOf({ relation }: Scene): SceneRelation {
  if (!relation) throw new Error('the scene has no relation');
  return relation;
}

describe('a relation', () => {
  it.each(RELATIONS)(
    '%s holds in the scenes that are laid out for it, and not the other way round',
    (relation) => {
      for (const seed of seeds(40)) {
        const scene = sampleScene(sceneGenerator(seed), { relation });
        const { subject, object } = relationOf(scene);
        expect(relationHolds(scene, subject, relation, object)).toBe('true');
        expect(relationHolds(scene, object, relation, subject)).toBe('false');
      }
    },
  );

  it('inside needs a thing that holds something', () => {
    const outer = (seed: number) => sampleScene(sceneGenerator(seed), { relation: 'inside' });
    for (const seed of seeds(10)) {
      const scene = outer(seed);
      const container = scene.objects[relationOf(scene).object];
      expect(CONTAINERS).toContain(container.kind);
      expect(container.hollow).toBe(true);
    }
    expect(() => sampleScene(sceneGenerator(1), { relation: 'inside', kinds: ['cat', 'fish'] })).toThrow(
      /'inside' needs one of house, heart, balloon/,
    );
    expect(() => sampleScene(sceneGenerator(1), { relation: 'above', things: 3 })).toThrow(
      /needs two things, got 3/,
    );
  });
});

describe('held-out combinations', () => {
  const named: NamedThing[] = KINDS.flatMap((kind) => COLOURS.map((colour) => ({ kind, colour })));

  it('are about the promised share of the pairs of different kinds and colours, in either order', () => {
    let [held, all] = [0, 0];
    for (const a of named) {
      for (const b of named) {
        if (a.kind === b.kind || a.colour === b.colour) {
          expect(isHeldOut([a, b])).toBe(false);
          continue;
        }
        expect(isHeldOut([a, b])).toBe(isHeldOut([b, a]));
        all++;
        if (isHeldOut([a, b])) held++;
      }
    }
    expect(held / all).toBeCloseTo(HELD_OUT_SHARE, 2);
  });

  it('never occur in training scenes, and in every held-out one', () => {
    for (const seed of seeds(800)) {
      expect(isHeldOut(sceneFromSeed(seed, { split: 'train' }).objects)).toBe(false);
    }
    for (const seed of seeds(100)) {
      expect(isHeldOut(sceneFromSeed(seed, { split: 'heldOut' }).objects)).toBe(true);
    }
  });

  it('are what the prompts of two things are made of', () => {
    const prompts = heldOutPairPrompts(200);
    expect(new Set(prompts.map(({ text }) => text)).size).toBe(200);
    for (const { things, text } of prompts) {
      expect(isHeldOut(things)).toBe(true);
      for (const { kind, colour } of things) expect(text).toContain(`${colour} ${kind}`);
    }
    expect(heldOutPairPrompts(40)).toEqual(prompts.slice(0, 40));
  });

  it('leave every single thing in training', () => {
    expect(singlePrompts(KINDS.length * COLOURS.length)).toHaveLength(112);
    expect(() => singlePrompts(113)).toThrow(/no 113 such prompts, only 112/);
  });
});
