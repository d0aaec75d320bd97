/** @file A prompt as a model and critics read it, under one of the ways in which people write weights. */
import { UserError } from '../../errors.ts';
import { parseAttention } from './attention.ts';
import { type CompelClause, parseCompel } from './compel.ts';
import { extractNetworks, type NetworkTag } from './networks.ts';
import { scheduleOf, unscheduledText } from './schedule.ts';
import { excerpt, type PromptPart, textOf } from './weighted-text.ts';

/** Ways to write weights: that of AUTOMATIC1111's web UI, that of compel, or none. */
export const PROMPT_SYNTAXES = ['a1111', 'compel', 'plain'] as const;
export type PromptSyntax = (typeof PROMPT_SYNTAXES)[number];
/** How prompts are read where nothing else is said. */
export const DEFAULT_SYNTAX: PromptSyntax = 'a1111';

/** A prompt from one step to another. */
export interface PromptStage {
  /** Last step of the stage; the first step is 0. */
  readonly until: number;
  readonly parts: readonly PromptPart[];
  /** How the parts are put together, under compel's syntax; a break divides its texts. */
  readonly clauses?: readonly CompelClause[];
}

/** A prompt that was read. */
export interface ParsedPrompt {
  readonly syntax: PromptSyntax;
  /** In the order of the steps; one for a prompt that does not change. */
  readonly stages: readonly PromptStage[];
  readonly networks: readonly NetworkTag[];
  /** The text without weights and tags, for critics. */
  readonly text: string;
  /** What is not supported, one line each. */
  readonly notes: readonly string[];
}

/** Weights and operators as compel writes them. */
const COMPEL =
  /\([^()]*\)(?:[+-]+(?=[\s,.]|$)|\d*\.?\d+)|\w(?:\+{2,}|--)(?=[\s,.]|$)|\)\.(?:blend|and|add|swap|attend)\(/;

/** Operators of compel that were left in a text. */
const COMPEL_OPERATOR = /\.\s*(?:blend|and|add|swap|attend)(?=\s|\(|$)/;

function parseA1111(prompt: string, steps: number): ParsedPrompt {
  const { text, networks } = extractNetworks(prompt);
  const notes: string[] = [];
  if (/\bAND\b/.test(text)) {
    notes.push('AND in a prompt (composable diffusion) is not supported; it is read as a word');
  }
  const [compel] = COMPEL.exec(text) ?? [];
  if (compel !== undefined) {
    notes.push(
      `${excerpt(compel)} in a prompt looks like compel's syntax; write (red:1.3), or add --prompt-syntax compel`,
    );
  }
  const stages = scheduleOf(text, steps).map(({ until, text }) => ({ until, parts: parseAttention(text) }));
  return { syntax: 'a1111', stages, networks, text: textOf(parseAttention(unscheduledText(text))), notes };
}

/** Weights, changes and breaks as the web UI writes them. */
const A1111 = /\([^()]*:\s*[-+]?[.\d]+\s*\)|\[[^[\]]*[:|][^[\]]*\]|\bBREAK\b/;

function parseAsCompel(prompt: string, steps: number): ParsedPrompt {
  // compel has no tags; nobody means one as text.
  const { text, networks } = extractNetworks(prompt);
  const { clauses, networks: own, notes } = parseCompel(text);
  const texts = clauses.flatMap((clause) => clause.texts.map(({ fragments }) => fragments));
  const parts = texts.flatMap((fragments, i): PromptPart[] =>
    i === 0 ? [...fragments] : ['break', ...fragments],
  );
  const plain = texts.flatMap((fragments) => fragments.map((fragment) => fragment.text)).join(' ');
  const [a1111] = A1111.exec(text) ?? [];
  const [operator] = COMPEL_OPERATOR.exec(plain) ?? [];
  return {
    syntax: 'compel',
    stages: [{ until: steps, parts, clauses }],
    networks: [...networks, ...own],
    text: textOf([{ text: plain, weight: 1 }]),
    notes: [
      ...notes,
      ...(a1111 === undefined
        ? []
        : [
            `${excerpt(a1111)} in a prompt looks like the web UI's syntax; write (red)1.3, or add --prompt-syntax a1111`,
          ]),
      ...(operator === undefined
        ? []
        : [
            `${excerpt(operator)}() in a prompt is read as text: compel takes it behind texts in brackets only`,
          ]),
    ],
  };
}

/**
 * Reads a prompt.
 *
 * @param steps of the run: where a prompt changes may be a share of them
 * @throws UserError when a weight is not a number, or compel would refuse the prompt
 */
export function parsePrompt(prompt: string, syntax: PromptSyntax, steps: number): ParsedPrompt {
  switch (syntax) {
    case 'a1111':
      return parseA1111(prompt, steps);
    case 'compel':
      return parseAsCompel(prompt, steps);
    case 'plain':
      return {
        syntax,
        stages: [{ until: steps, parts: [{ text: prompt, weight: 1 }] }],
        networks: [],
        text: prompt,
        notes: [],
      };
    default:
      throw new UserError(`prompt: unknown syntax ${syntax}; choose one of ${PROMPT_SYNTAXES.join(', ')}`);
  }
}

/** The words of a prompt without its tags, in whatever step they count, for finding the names of files in them. */
export function promptWords(prompt: string, syntax: PromptSyntax): string {
  if (syntax === 'plain') return prompt;
  return extractNetworks(prompt).text.replace(/\\([()[\]"])/g, '$1');
}

/** Whether a prompt has weights, breaks or changes. */
export function hasSyntax({ stages }: ParsedPrompt): boolean {
  const [first] = stages;
  const isPlain = first.parts.length === 1 && first.parts[0] !== 'break' && first.parts[0].weight === 1;
  return stages.length > 1 || !isPlain;
}

/** The stage of a step, the first step being 0. */
export function stageAt(stages: readonly PromptStage[], step: number): PromptStage {
  return stages.find(({ until }) => step <= until) ?? stages[stages.length - 1];
}
