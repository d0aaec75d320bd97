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
    const unknown = tokenizer.unknownWords(text);
    return {
      syntax,
      tokens,
      truncated,
      lost,
      unknown,
      chunks: 1,
      hasSyntax: hasSyntax(prompt),
      networks,
      notes,
    };
  }
  const readParts = ({ parts }: ParsedPrompt['stages'][number]) => parts.filter((part) => part !== 'break');
  const texts = stages
    .map((stage) =>
      readParts(stage).flatMap((part) => tokenizer.pieces(part.text).map((piece) => piece.text)),
    )
    .sort((a, b) => b.length - a.length);
  const unknown = stages.flatMap(readParts).flatMap((part) => tokenizer.unknownWords(part.text));
  const count = Math.max(...stages.map((stage) => chunkCount(syntax, stage)));
  return {
    syntax,
    tokens: texts[0],
    truncated: false,
    lost: 0,
    unknown: [...new Set(unknown)],
    chunks: count,
    hasSyntax: hasSyntax(prompt),
    networks,
    notes,
  };
}
