/**
 * @file Weights in a prompt as AUTOMATIC1111's web UI writes them: `(red)` weighs 1.1, `(red:1.3)` 1.3, `[red]` 1/1.1, nested ones
 * multiply; `\(` is the character itself; `BREAK` begins a new chunk.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, wiki, "Features: Attention/emphasis" and "BREAK keyword"
 */
import { UserError } from '../../errors.ts';
import { joinEqualWeights, type PromptPart } from './weighted-text.ts';

const ROUND = 1.1;
const SQUARE = 1 / 1.1;

/** An escape, the end of a weighted bracket, a single bracket, plain text, or a colon. */
const PIECES = /\\[()[\]\\]?|:\s*([+-]?[.\d]+)\s*\)|[()[\]]|[^\\()[\]:]+|:/g;

/** Begins a new chunk where it is a word by itself. */
const BREAK = /\s*(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])\s*/u;

function weightFrom(text: string): number {
  const weight = Number(text);
  if (Number.isFinite(weight)) return weight;
  throw new UserError(
    `prompt: the weight ${JSON.stringify(text)} is not a number; write one as in (red:1.3)`,
  );
}

/**
 * Parses the weights of a prompt. Brackets that are never closed weigh all that follows; brackets that were never opened are
 * text.
 *
 * @throws UserError when a weight is not a number
 */
export function parseAttention(prompt: string): PromptPart[] {
  const parts: { text: string; weight: number; isBreak: boolean }[] = [];
  const open = { round: [] as number[], square: [] as number[] };
  const multiplyFrom = (start: number, factor: number) => {
    for (const part of parts.slice(start)) part.weight *= factor;
  };
  const close = (kind: 'round' | 'square', factor: number) => {
    const start = open[kind].pop();
    if (start !== undefined) multiplyFrom(start, factor);
    return start !== undefined;
  };
  const addText = (text: string) => {
    for (const [i, part] of text.split(BREAK).entries()) {
      if (i > 0) parts.push({ text: ' ', weight: 1, isBreak: true });
      parts.push({ text: part, weight: 1, isBreak: false });
    }
  };

  for (const [piece, weight] of prompt.matchAll(PIECES)) {
    if (piece.startsWith('\\')) parts.push({ text: piece.slice(1), weight: 1, isBreak: false });
    else if (piece === '(') open.round.push(parts.length);
    else if (piece === '[') open.square.push(parts.length);
    else if (weight !== undefined && open.round.length > 0) close('round', weightFrom(weight));
    else if (piece === ')' && close('round', ROUND)) continue;
    else if (piece === ']' && close('square', SQUARE)) continue;
    else addText(piece);
  }
  for (const start of open.round) multiplyFrom(start, ROUND);
  for (const start of open.square) multiplyFrom(start, SQUARE);

  const all = parts.map(({ text, weight, isBreak }) => (isBreak ? 'break' : { text, weight }));
  return all.length === 0 ? [{ text: '', weight: 1 }] : joinEqualWeights(all);
}
