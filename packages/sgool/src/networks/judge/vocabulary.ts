/** @file The judge's vocabulary: kinds of things, colours, relations. Toybox's training images use the same lists. */

/** Every kind of thing, in the order of the network's outputs. */
export const KINDS = [
  'cat',
  'bird',
  'fish',
  'boat',
  'car',
  'house',
  'tree',
  'flower',
  'mushroom',
  'star',
  'heart',
  'cup',
  'balloon',
  'umbrella',
] as const;
/** A kind of thing. */
export type Kind = (typeof KINDS)[number];

/** Every colour that a thing can have, in the order of the network's outputs. */
export const COLOURS = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'white'] as const;
/** A colour of a thing. */
export type Colour = (typeof COLOURS)[number];

/** Relations `a ... b`. `in front of`: a covers a part of b. `inside`: a lies within b's outline. */
export const RELATIONS = ['left of', 'right of', 'above', 'below', 'in front of', 'inside'] as const;
/** A spatial relation between two things. */
export type Relation = (typeof RELATIONS)[number];
