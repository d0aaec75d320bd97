/**
 * @file The text of an objective: scorers with weights, each on the whole image, on the salient regions, or on both.
 *
 *     clip, hps-v2.1:0.5, pickscore@whole:0.2, image-reward@regions
 */
import { UserError } from '../errors.ts';
import { MODEL_CLIP, SCORER_FORMS, scorerName, type WantedScorer, wantedScorer } from './wanted-scorer.ts';

/** What of an image a scorer sees. */
export type Place = 'whole' | 'regions';

/** One scorer of an objective. */
export interface ObjectiveItem {
  readonly scorer: WantedScorer;
  /** As in reports. */
  readonly name: string;
  /** Factor on its loss. */
  readonly weight: number;
  /** The only thing that it sees; undefined for the whole image and, where a method has them, the regions. */
  readonly place?: Place;
}

/** The objective where none is named. */
export const DEFAULT_OBJECTIVE = 'clip';

const LARGEST_WEIGHT = 1e6;

/**
 * Reads an objective: scorers between commas, behind each perhaps `@whole` or `@regions`, and `:weight` (default 1).
 *
 * @throws UserError in one line: which scorer, and what would be right
 */
export function parseObjective(text: string): ObjectiveItem[] {
  const items = text.split(',').map((item) => parseItem(item.trim()));
  items.forEach((item, i) => {
    const other = items
      .slice(0, i)
      .find(({ name, place }) => name === item.name && overlap(place, item.place));
    if (other) {
      throw new UserError(
        `objective: ${item.name} is there twice, got ${text}; give it once, with its weight, or once with @whole and once with @regions`,
      );
    }
  });
  return items;
}

/** Whether something is seen by both. */
const overlap = (a: Place | undefined, b: Place | undefined) => !a || !b || a === b;

function parseItem(text: string): ObjectiveItem {
  const wrong = (what: string) => new UserError(`objective: ${what}, got ${text || 'nothing'}`);
  const weighed = withWeight(text);
  const [, placed, place] = /^(.*?)\s*@(whole|regions)$/.exec(weighed.rest) ?? [undefined, weighed.rest];
  const { rest, weight = 1 } =
    place && weighed.weight === undefined ? withWeight(placed) : { rest: placed, weight: weighed.weight };
  const scorer = wantedScorer(rest);
  if (scorer === undefined) {
    const [, other] = /@(\w*)(?::|$)/.exec(text) ?? [];
    if (other !== undefined) throw wrong(`@${other} is no part of an image; choose @whole or @regions`);
    throw wrong(`each scorer must be one of ${SCORER_FORMS}, perhaps with @whole or @regions and :weight`);
  }
  if (scorer.kind === 'http') checkAddress(scorer.url, wrong);
  if (!(weight > 0 && weight <= LARGEST_WEIGHT)) {
    throw wrong(`a weight must be above 0 and at most ${LARGEST_WEIGHT}`);
  }
  return {
    scorer,
    name: scorerName(scorer),
    weight,
    ...(place === undefined ? {} : { place: place as Place }),
  };
}

/** @throws what `wrong` makes where an address cannot be called, or would put a password into records */
function checkAddress(url: string, wrong: (what: string) => UserError): void {
  if (!URL.canParse(url)) throw wrong('the address of a server must be http://host:port/path');
  const { username, password } = new URL(url);
  if (username !== '' || password !== '') {
    throw wrong('the address of a server must have no name and password, which records would keep');
  }
}

/** Splits `:weight` off. The port of a URL is none: it stands behind the host, a weight behind a port or a path. */
function withWeight(text: string): { readonly rest: string; readonly weight?: number } {
  const [, rest, weight] = /^(.*?)\s*:\s*([-+]?[\d.]+(?:e[-+]?\d+)?)$/i.exec(text) ?? [];
  if (rest === undefined || /^https?:\/\/([^/@]*@)?[^/:]*$/.test(rest)) return { rest: text };
  return { rest, weight: Number(weight) };
}

/** Whether the objective is the CLIP of the model alone, by its distance on the whole image and the regions. */
export function isDefaultObjective(text: string): boolean {
  const items = parseObjective(text);
  const [{ scorer, place }] = items;
  const isDistance = scorer.kind === 'clip' && scorer.loss === undefined;
  return items.length === 1 && scorerName(scorer) === MODEL_CLIP && isDistance && place === undefined;
}
