/** @file Prompts as the conditioning of a flow's transformer: texts that several encoders read, without weights. */
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { DEFAULT_SYNTAX, type ParsedPrompt, parsePrompt } from '../../text/prompt/prompt.ts';
import { textOf } from '../../text/prompt/weighted-text.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { DenoiserOptions, PromptFit, PromptReading } from '../backbone.ts';
import { promptForSteps, type StagedContext } from '../prompt-steps.ts';
import type { TextContext } from '../text-context.ts';

/** How a text fits the encoders. */
export type TextFit = Pick<PromptFit, 'tokens' | 'truncated' | 'lost' | 'unknown'> & {
  readonly notes: readonly string[];
};

/** The text encoders of a model together. */
export interface TextEncoders {
  /** Of the CLIP among them. */
  readonly clipTokenizer: Tokenizer;
  /**
   * Conditioning of texts, all of the same length.
   *
   * @param clipSkip 1 for the layer that the model was trained with, 2 for the one before it, and so on
   * @throws UserError where there are not so many layers, or skipping has no effect
   */
  encode(texts: readonly string[], clipSkip: number): Promise<TextContext[]>;
  /** How a text fits the encoder that reads most of it, with a line for each that reads less. */
  fit(text: string): TextFit;
}

/** The prompts of a run as conditioning. */
export interface FlowPrompts {
  /** Of the prompt and of the negative prompt. */
  encode(
    options: Pick<DenoiserOptions, 'prompt' | 'negativePrompt' | 'timesteps'> & PromptReading,
  ): Promise<{ readonly positive: StagedContext; readonly negative: StagedContext }>;
  checkPrompt(prompt: string, reading?: Pick<PromptReading, 'promptSyntax'>): PromptFit;
}

/**
 * Prompts for encoders whose conditioning has no weights. A prompt may change from step to step; weights, breaks and what compel
 * puts together are read as their text, and a note says so.
 */
export function flowPrompts(encoders: TextEncoders, programs: ProgramCache): FlowPrompts {
  const known = programs.resultsOf<TextContext>('text encoders');

  /** Conditioning of texts; those that are new are encoded together, so that each encoder is opened once. */
  function contextsOf(texts: readonly string[], clipSkip: number): Promise<TextContext[]> {
    const keyOf = (text: string) => `${clipSkip}: ${text}`;
    const unknown = [...new Set(texts)].filter((text) => !known.has(keyOf(text)));
    const encoded = unknown.length === 0 ? Promise.resolve([]) : encoders.encode(unknown, clipSkip);
    unknown.forEach((text, i) => {
      const context = encoded.then((all) => all[i]);
      known.set(keyOf(text), context);
      context.catch(() => known.delete(keyOf(text)));
    });
    return Promise.all(texts.map((text) => known.get(keyOf(text)) as Promise<TextContext>));
  }

  return {
    async encode({
      prompt,
      negativePrompt = '',
      promptSyntax = DEFAULT_SYNTAX,
      clipSkip = 1,
      timesteps,
    }): Promise<{ positive: StagedContext; negative: StagedContext }> {
      const [positive, negative] = [prompt, negativePrompt].map((each) =>
        promptForSteps(each, promptSyntax, timesteps),
      );
      const [own, against] = [positive, negative].map(textsOf);
      const contexts = await contextsOf([...own, ...against], clipSkip);
      return {
        positive: { stages: positive.stages, contexts: contexts.slice(0, own.length) },
        negative: { stages: negative.stages, contexts: contexts.slice(own.length) },
      };
    },
    checkPrompt(prompt, { promptSyntax = DEFAULT_SYNTAX } = {}) {
      const parsed = parsePrompt(prompt, promptSyntax, 1);
      const fits = textsOf(parsed).map(encoders.fit);
      const longest = fits.reduce((a, b) => (b.tokens.length + b.lost > a.tokens.length + a.lost ? b : a));
      return {
        ...longest,
        unknown: [...new Set(fits.flatMap(({ unknown }) => unknown))],
        syntax: promptSyntax,
        chunks: 1,
        hasSyntax: parsed.stages.length > 1,
        networks: parsed.networks,
        notes: [...parsed.notes, ...unreadSyntax(parsed), ...longest.notes],
      };
    },
  };
}

/** The text of each stage. That of a plain prompt is taken as it is. */
function textsOf({ syntax, stages, text }: ParsedPrompt): string[] {
  return syntax === 'plain' ? [text] : stages.map(({ parts }) => textOf(parts));
}

/** A line about weights and what else of a prompt's syntax has no effect. */
function unreadSyntax({ stages }: ParsedPrompt): string[] {
  const isText = stages.every(({ parts }) =>
    parts.every((part, i) => i === 0 && part !== 'break' && part.weight === 1),
  );
  if (isText) return [];
  return ['weights and breaks in a prompt are not supported by this model; it reads the words alone'];
}
