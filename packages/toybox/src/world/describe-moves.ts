/** @file Captions of clips: what is there, and how it moves. */

import type { MoveKind } from 'sgool/evaluate';
import { backgroundPhrase, claimOf, nounPhrase, shortCaption, type ThingClaim } from './describe.ts';
import type { Clip, Movers } from './moves.ts';
import type { SceneGenerator } from './scene-generator.ts';

/** A move as a participle, and as a verb of one thing. */
interface Phrase {
  readonly doing: string;
  readonly does: string;
}

const drift = (where: string): Phrase => ({ doing: `drifting ${where}`, does: `drifts ${where}` });

/** How each move is said. */
export const MOVE_PHRASES: Readonly<Record<MoveKind, Phrase>> = {
  left: drift('leftward'),
  right: drift('rightward'),
  up: drift('upward'),
  down: drift('downward'),
  bounce: { doing: 'bouncing', does: 'bounces' },
  grow: { doing: 'growing', does: 'grows' },
  shrink: { doing: 'shrinking', does: 'shrinks' },
  orbit: { doing: 'circling', does: 'circles' },
  still: { doing: 'standing still', does: 'stands still' },
};

/** The words that tell one move from another: they mean the same in either form. */
export const KEY_WORDS: Readonly<Record<MoveKind, readonly string[]>> = {
  left: ['leftward'],
  right: ['rightward'],
  up: ['upward'],
  down: ['downward'],
  bounce: ['bouncing', 'bounces'],
  grow: ['growing', 'grows'],
  shrink: ['shrinking', 'shrinks'],
  orbit: ['circling', 'circles'],
  still: ['still'],
};

/** What a caption of a clip says: the things, the first of which is the one that moves where not all do, and how. */
export interface MovingClaims {
  readonly things: readonly ThingClaim[];
  readonly movers: Movers;
}

/** One thing and its move. */
const ALONE: readonly ((thing: string, phrase: Phrase) => string)[] = [
  (thing, { doing }) => `${thing} ${doing}`,
  (thing, { does }) => `${thing} that ${does}`,
];

/** Two things that move alike. */
const TOGETHER: readonly ((a: string, b: string, phrase: Phrase) => string)[] = [
  (a, b, { doing }) => `${a} and ${b}, both ${doing}`,
];

/** Two things of which the first moves. */
const BESIDE: readonly ((a: string, b: string, phrase: Phrase) => string)[] = [
  (a, b, { doing }) => `${a} ${doing} beside ${b}`,
  (a, b, { does }) => `${a} that ${does}, beside ${b}`,
];

/** A sentence of claims and a phrase. @param template number of the way to say it */
function say({ things, movers }: MovingClaims, phrase: Phrase, template = 0): string {
  const [a, b] = things.map((thing) => nounPhrase(thing)) as [string, string | undefined];
  const choose = <T>(templates: readonly T[]) => templates[template % templates.length];
  if (b === undefined) return choose(ALONE)(a, phrase);
  return choose(movers === 'all' ? TOGETHER : BESIDE)(a, b, phrase);
}

/** The words that captions of clips use beside those of pictures, sorted. */
export const MOVE_WORDS: readonly string[] = [
  ...new Set(
    [...Object.values(MOVE_PHRASES), { doing: 'beside', does: 'that' }].flatMap(({ doing, does }) =>
      `${doing} ${does}`.split(' '),
    ),
  ),
].sort();

/** `a red cat drifting leftward`, `a red cat and a blue boat, both growing`: the first way to say it. */
export function movingCaption(claims: MovingClaims, move: MoveKind): string {
  return say(claims, MOVE_PHRASES[move]);
}

/** Which things of a clip move. */
export function moversOf({ moves }: Clip): Movers {
  return moves.every(({ kind }) => kind === moves[0].kind) ? 'all' : 'first';
}

/** A true caption of a clip that names every thing with its colour, and how they move. */
export function describeClip(clip: Clip, generator: SceneGenerator): string {
  const { scene, moves } = clip;
  const things = scene.objects.map((_, i) => claimOf(scene, i, generator, 0));
  const movers = moversOf(clip);
  if (movers === 'all' && generator.chance(0.5)) things.reverse();
  const place = generator.chance(0.3) ? backgroundPhrase(scene.background.kind) : '';
  return `${say({ things, movers }, MOVE_PHRASES[moves[0].kind], generator.int(2))}${place}`;
}

/** A true caption that says nothing of moves. */
export function describeStill({ scene }: Clip): string {
  return shortCaption(scene.objects);
}
