/** @file What a prompt is read as, for people: `sgool prompt` and `--explain`. */
import type { CompelClause } from '../../text/prompt/compel.ts';
import type { ParsedPrompt, PromptStage } from '../../text/prompt/prompt.ts';
import type { PromptPart } from '../../text/prompt/weighted-text.ts';
import { formatTable } from '../terminal/format.ts';

/** Denoising steps of a prompt that is shown, where nothing else is said. */
export const EXPLAINED_STEPS = 50;

const rounded = (weight: number) => String(Number(weight.toFixed(4)));

function partRow(part: PromptPart): string[] {
  return part === 'break' ? ['', 'BREAK'] : [rounded(part.weight), JSON.stringify(part.text)];
}

/** The parts of a text, with a label in front of the first where there are labels. */
function partRows(parts: readonly PromptPart[], label?: string): string[][] {
  return parts
    .filter((part) => part === 'break' || part.text !== '')
    .map((part, i) => [...(label === undefined ? [] : [i === 0 ? label : '']), ...partRow(part)]);
}

function stageRows(stages: readonly PromptStage[], steps: number): string[][] {
  return stages.flatMap(({ until, parts }, i) => {
    // Counted from 1, as users do.
    const [first, last] = [i === 0 ? 1 : stages[i - 1].until + 2, Math.min(steps, until + 1)];
    if (first > last) return [];
    const range = first === last ? `step ${first}` : `steps ${first}-${last}`;
    return partRows(parts, stages.length > 1 ? range : undefined);
  });
}

/** The texts of blends and conjunctions under what is done with them. */
function clauseRows(clauses: readonly CompelClause[]): string[][] {
  return clauses.flatMap(({ weight, isNormalised, texts }) => {
    const isBlend = texts.length > 1 || !isNormalised;
    const labelOf = (share: number) => {
      if (isBlend) return `blend ${rounded(share)}${isNormalised ? '' : ', not normalised'}`;
      return clauses.length > 1 ? `and ${rounded(weight)}` : undefined;
    };
    return texts.flatMap(({ share, fragments }) => partRows(fragments, labelOf(share)));
  });
}

/** A table of the parts of a prompt, and a line for each thing beside them. */
export function explainPrompt({ stages, networks, text, notes }: ParsedPrompt, steps: number): string {
  const [{ clauses }] = stages;
  const lines = [
    formatTable(clauses === undefined ? stageRows(stages, steps) : clauseRows(clauses)),
    `scorers read: ${JSON.stringify(text)}`,
    ...networks.map((tag) => `${tag.kind}: ${tag.values.join(', ')}`),
    ...notes,
  ];
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}
