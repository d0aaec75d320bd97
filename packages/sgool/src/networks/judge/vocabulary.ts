/** @file What the judge can name: kinds of things, colours, relations. The world of toys is drawn from the same lists. */

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
export type Kind = (typeof KINDS)[number];

/** Every colour that a thing can have, in the order of the network's outputs. */
export const COLOURS = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'white'] as const;
export type Colour = (typeof COLOURS)[number];

/** `a left of b` and so on; `in front of` covers a part of b, `inside` lies within b's outline. */
export const RELATIONS = ['left of', 'right of', 'above', 'below', 'in front of', 'inside'] as const;
export type Relation = (typeof RELATIONS)[number];
