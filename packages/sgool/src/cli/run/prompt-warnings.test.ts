import { describe, expect, it } from 'vitest';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ClipCritic } from '../../preference/clip-critic.ts';
import { clipNotes, lackingNotes, promptWarnings, readingNotes } from './prompt-warnings.ts';

const lackedBy = (words: readonly string[]) => (text: string) =>
  words.filter((word) => text.split(/[ ,]+/).includes(word));

function clip(words: readonly string[], longest = 20): ClipCritic {
  const unknown = lackedBy(words);
  const fit: ClipCritic['fit'] = (text) => {
    const { length } = text.split(' ');
    const kept = Math.min(length, longest);
    return { kept, lost: length - kept, truncated: length > kept, unknown: unknown(text) };
  };
  return { fit } as ClipCritic;
}

/** A model that lacks dragons; its CLIPs may lack others. */
function pipelineOf(a: ClipCritic | undefined, b: ClipCritic | undefined) {
  return {
    model: { name: 'tiny', has: { clip: a !== undefined } } as Pipeline['model'],
    critic: async () => a ?? Promise.reject(new Error('there is none')),
    reporter: async () => b,
    checkPrompt: (text: string) => ({
      tokens: text.split(' '),
      truncated: false,
      lost: 0,
      unknown: lackedBy(['dragon', 'castle'])(text),
    }),
  };
}

const settings = { promptSyntax: 'a1111', steps: 2 } as const;
const run = { prompt: 'a red dragon', settings, hasLoras: false };
const LACKS = 'which mean nothing to it: ';

describe('the texts of a run', () => {
  it('are named where words of them mean nothing, each text in one line', async () => {
    const clips = clip(['dragon']);
    const texts = {
      prompt: 'a dragon in a castle',
      negativePrompt: 'a castle',
      sourcePrompt: 'one dragon',
      settings: { ...settings, regionPrompt: 'a cat [SEP] dragon', regionNegativePrompt: 'castle' },
      hasLoras: false,
    };
    expect(await promptWarnings(texts, pipelineOf(clips, clips))).toEqual([
      `the vocabulary of tiny lacks words of the prompt, ${LACKS}dragon, castle`,
      `the vocabulary of tiny lacks words of the negative prompt, ${LACKS}castle`,
      `the vocabulary of tiny lacks words of the description of the image, ${LACKS}dragon`,
      `the vocabulary of tiny lacks words of the prompt of a region, ${LACKS}dragon`,
      `the vocabulary of tiny lacks words of the negative prompt of a region, ${LACKS}castle`,
    ]);
  });

  it('are named for each CLIP, without what the model lacks as well', async () => {
    const both = pipelineOf(clip(['dragon', 'red']), clip(['red', 'a']));
    expect((await promptWarnings(run, both)).slice(1)).toEqual([
      `the vocabulary of CLIP A lacks words of the prompt, ${LACKS}red`,
      `the vocabulary of CLIP B lacks words of the prompt, ${LACKS}red, a`,
    ]);
    const alike = pipelineOf(clip(['red'], 2), clip(['red'], 2));
    expect((await promptWarnings(run, alike)).slice(1)).toEqual([
      'the prompt is too long for CLIP A and CLIP B: its first 2 tokens are used, the last 1 are left out',
      `the vocabulary of CLIP A and CLIP B lacks words of the prompt, ${LACKS}red`,
    ]);
  });

  it('have a text for CLIP, and regions that CLIP reads', async () => {
    const texts = {
      ...run,
      prompt: 'a cat',
      settings: { ...settings, clipPrompt: 'one fish', regionPrompt: 'two fish' },
    };
    expect(await promptWarnings(texts, pipelineOf(clip(['fish']), undefined))).toEqual([
      `the vocabulary of CLIP A lacks words of the text for CLIP, ${LACKS}fish`,
      `the vocabulary of CLIP A lacks words of the prompt of a region, ${LACKS}fish`,
    ]);
  });

  it('need no CLIP', async () => {
    expect(await promptWarnings({ ...run, prompt: '' }, pipelineOf(undefined, undefined))).toEqual([
      'the prompt has no words: CLIP, where it guides or scores, compares the image with an empty text',
    ]);
  });
});

it('a command that shows a prompt says what is not read of it', async () => {
  expect(await readingNotes('a (red:1.2) dragon', 'a1111', pipelineOf(clip(['red']), undefined))).toEqual([
    `the vocabulary of tiny lacks words of the prompt, ${LACKS}dragon`,
    `the vocabulary of CLIP A lacks words of the prompt, ${LACKS}red`,
  ]);
});

it('several texts share a line', () => {
  const model = pipelineOf(undefined, undefined);
  expect(lackingNotes('concepts', ['a dragon', 'cat', 'dragon', 'castle'], model)).toEqual([
    `the vocabulary of tiny lacks words of the concepts, ${LACKS}dragon, castle`,
  ]);
  expect(lackingNotes('concepts', ['cat'], model)).toEqual([]);
});

it('words that were named already are left out', () => {
  expect(clipNotes('prompt', 'a red cat', [{ name: 'CLIP A', critic: clip(['red']) }], ['red'])).toEqual([]);
});
