import { MOVES, moveOf } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { describeClip, describeStill, MOVE_WORDS, moversOf, movingCaption } from './describe-moves.ts';
import { type Clip, clipFromSeed, FRAMES, sampleClip, sceneAt, trackOf } from './moves.ts';
import { renderScene } from './render.ts';
import { boxOf } from './scene.ts';
import { sceneGenerator } from './scene-generator.ts';
import { isHeldOut } from './split.ts';

const clips = Array.from({ length: 300 }, (_, seed) => clipFromSeed(seed, { split: 'train' }));
const frames = Array.from({ length: FRAMES }, (_, frame) => frame);

/** The words that say each move, of which a caption has those of one move alone. */
const SAYS = {
  left: /drift(ing|s) leftward/,
  right: /drift(ing|s) rightward/,
  up: /drift(ing|s) upward/,
  down: /drift(ing|s) downward/,
  bounce: /bounc(ing|es)/,
  grow: /grow(ing|s)/,
  shrink: /shrink(ing|s)/,
  orbit: /circl(ing|es)/,
  still: /stand(ing|s) still/,
} as const;

describe('clips', () => {
  it('are the same for the same seed, and others for others', () => {
    expect(clipFromSeed(7)).toEqual(clipFromSeed(7));
    expect(clipFromSeed(8)).not.toEqual(clipFromSeed(7));
  });

  it('show every move about equally often, of one thing and of two, of all or of the first alone', () => {
    const share = (holds: (clip: Clip) => boolean) => clips.filter(holds).length / clips.length;
    for (const move of MOVES) {
      const found = share(({ moves }) => moves[0].kind === move);
      expect(found, move).toBeGreaterThan(0.05);
      expect(found, move).toBeLessThan(0.18);
    }
    expect(share(({ moves }) => moves.length === 1)).toBeCloseTo(0.5, 1);
    const alone = share((clip) => moversOf(clip) === 'first');
    expect(alone).toBeGreaterThan(0.15);
    expect(alone).toBeLessThan(0.3);
  });

  it('move as they say, by the rules of the judge', () => {
    for (const clip of clips) {
      expect(clip.scene.objects.map((_, i) => moveOf(trackOf(clip, i)))).toEqual(
        clip.moves.map(({ kind }) => kind),
      );
    }
  });

  it('have their things in the image in every frame, apart and large enough to be known', () => {
    for (const clip of clips) {
      for (const frame of frames) {
        const { objects } = sceneAt(clip, frame);
        const boxes = objects.map(boxOf);
        for (const { x0, y0, x1, y1 } of boxes) {
          expect(Math.min(x0, y0)).toBeGreaterThanOrEqual(-0.0201);
          expect(Math.max(x1, y1)).toBeLessThanOrEqual(1.0201);
        }
        for (const { side } of objects) expect(side).toBeGreaterThanOrEqual(0.24);
        const [a, b] = boxes;
        if (b) expect(Math.max(b.x0 - a.x1, a.x0 - b.x1, b.y0 - a.y1, a.y0 - b.y1)).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('keep what does not move, and show in the picture what does', () => {
    const clip = clipFromSeed(4, { move: 'left', things: 1 });
    const [first, last] = [sceneAt(clip, 0), sceneAt(clip, FRAMES - 1)];
    expect(first.background).toEqual(last.background);
    expect(first.clutter).toEqual(last.clutter);
    expect(first.objects[0].x - last.objects[0].x).toBeCloseTo(clip.moves[0].amount, 10);
    expect(renderScene(first)).not.toEqual(renderScene(last));
    const still = clipFromSeed(4, { move: 'still' });
    expect(renderScene(sceneAt(still, 0))).toEqual(renderScene(sceneAt(still, FRAMES - 1)));
  });

  it('of the training never show a held-out pair', () => {
    for (const { scene } of clips) expect(isHeldOut(scene.objects)).toBe(false);
    expect(isHeldOut(clipFromSeed(3, { things: 2, split: 'heldOut' }).scene.objects)).toBe(true);
  });

  it('say which options have no room', () => {
    const impossible = {
      things: 2,
      kinds: ['cat', 'cat'],
      colours: ['red', 'red'],
      split: 'heldOut',
    } as const;
    expect(() => sampleClip(sceneGenerator(1), impossible)).toThrow(/no scene fits the options/);
  });
});

describe('captions of clips', () => {
  it('name every thing with its colour, and the move alone that it makes', () => {
    const words = sceneGenerator(5);
    for (const clip of clips) {
      const text = describeClip(clip, words);
      for (const { kind, colour } of clip.scene.objects)
        expect(text).toMatch(new RegExp(`\\b${colour} ${kind}\\b`));
      expect(
        MOVES.filter((move) => SAYS[move].test(text)),
        text,
      ).toEqual([clip.moves[0].kind]);
      expect(/both/.test(text), text).toBe(clip.moves.length === 2 && moversOf(clip) === 'all');
      if (moversOf(clip) === 'first') {
        const { kind, colour } = clip.scene.objects[0];
        expect(text).toMatch(new RegExp(`${colour} ${kind} (that )?(${SAYS[clip.moves[0].kind].source})`));
      }
    }
  });

  it('use the listed words beside those of pictures, and can leave the move unsaid', () => {
    const words = sceneGenerator(6);
    const used = new Set(clips.flatMap((clip) => describeClip(clip, words).match(/[a-z]+/g) ?? []));
    expect(MOVE_WORDS.filter((word) => !used.has(word))).toEqual([]);
    for (const clip of clips) expect(MOVES.some((move) => SAYS[move].test(describeStill(clip)))).toBe(false);
  });

  it('of prompts have one form', () => {
    const [cat, boat] = [
      { kind: 'cat', colour: 'red' } as const,
      { kind: 'boat', colour: 'orange' } as const,
    ];
    expect(movingCaption({ things: [cat], movers: 'all' }, 'left')).toBe('a red cat drifting leftward');
    expect(movingCaption({ things: [cat, boat], movers: 'all' }, 'orbit')).toBe(
      'a red cat and an orange boat, both circling',
    );
    expect(movingCaption({ things: [boat, cat], movers: 'first' }, 'grow')).toBe(
      'an orange boat growing beside a red cat',
    );
  });
});
