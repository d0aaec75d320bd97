/** @file How a prompt fits the text encoder of a model. */
import { hasSyntax, type ParsedPrompt } from '../../text/prompt/prompt.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { PromptFit } from '../backbone.ts';
import type { PromptEncoder } from './text-encoding.ts';

/** How a prompt fits; of a prompt that changes, how its longest text does. */
export function promptFit(
  prompt: ParsedPrompt,
  { chunkCount }: PromptEncoder,
  tokenizer: Tokenizer,
): PromptFit {
  const { syntax, stages, networks, text, notes } = prompt;
  if (syntax === 'plain') {
    const { tokens, truncated, lost } = tokenizer.encode(text);
    return { syntax, tokens, truncated, lost, chunks: 1, hasSyntax: hasSyntax(prompt), networks, notes };
  }
  const tokensOf = ({ parts }: ParsedPrompt['stages'][number]) =>
    parts.flatMap((part) => (part === 'break' ? [] : tokenizer.pieces(part.text).map((piece) => piece.text)));
  const texts = stages.map(tokensOf).sort((a, b) => b.length - a.length);
  const count = Math.max(...stages.map((stage) => chunkCount(syntax, stage)));
  return {
    syntax,
    tokens: texts[0],
    truncated: false,
    lost: 0,
    chunks: count,
    hasSyntax: hasSyntax(prompt),
    networks,
    notes,
  };
}
