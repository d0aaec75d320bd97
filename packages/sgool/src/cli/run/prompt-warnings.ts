/** @file What a model and its CLIPs do not read of the texts of a run as their writer may expect, one line each. */
import { writtenTexts } from '../../methods/detail/region-texts.ts';
import { criticText } from '../../methods/run/run.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ClipCritic } from '../../preference/clip-critic.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import { fitNotes, type TextFit } from '../../text/fit-notes.ts';
import { type PromptSyntax, parsePrompt } from '../../text/prompt/prompt.ts';
import { promptNotes } from '../options/prompt.ts';

/** A CLIP of a model, by the name under which its score is printed. */
export interface NamedClip {
  readonly name: string;
  readonly critic: Pick<ClipCritic, 'fit'>;
}

/** The CLIPs of a model. */
export async function clipsOf({
  model,
  critic,
  reporter,
}: Pick<Pipeline, 'model' | 'critic' | 'reporter'>): Promise<NamedClip[]> {
  const second = await reporter();
  return [
    ...(model.has.clip ? [{ name: 'CLIP A', critic: await critic() }] : []),
    ...(second === undefined ? [] : [{ name: 'CLIP B', critic: second }]),
  ];
}

/**
 * What CLIPs do not read of a text: one line for those that read it alike.
 *
 * @param what the text is
 * @param known words that were named already
 */
export function clipNotes(
  what: string,
  text: string,
  clips: readonly NamedClip[],
  known: readonly string[] = [],
): string[] {
  const readers = new Map<string, { names: string[]; fit: TextFit }>();
  for (const { name, critic } of clips) {
    const all = critic.fit(text);
    const fit = { ...all, unknown: all.unknown.filter((word) => !known.includes(word)) };
    const key = JSON.stringify([fit.truncated, fit.kept, fit.unknown]);
    const { names } = readers.get(key) ?? { names: [] };
    readers.set(key, { names: [...names, name], fit });
  }
  return [...readers.values()].flatMap(({ names, fit }) => fitNotes(what, names.join(' and '), fit));
}

/** What a model and its CLIPs lack of a prompt, or cut off, for a command that shows how prompts are read. */
export async function readingNotes(
  prompt: string,
  promptSyntax: PromptSyntax,
  pipeline: Pick<Pipeline, 'model' | 'critic' | 'reporter' | 'checkPrompt'>,
): Promise<string[]> {
  const fit = pipeline.checkPrompt(prompt, { promptSyntax });
  const { text } = parsePrompt(prompt, promptSyntax, 1);
  return [
    ...fitNotes('prompt', pipeline.model.name, { ...fit, kept: fit.tokens.length }),
    ...clipNotes('prompt', text, await clipsOf(pipeline), fit.unknown),
  ];
}

/** The words of plain texts that a model lacks, in one line; none where it has them all. */
export function lackingNotes(
  what: string,
  texts: readonly string[],
  { model, checkPrompt }: Pick<Pipeline, 'model' | 'checkPrompt'>,
): string[] {
  const lacking = texts.flatMap((text) => checkPrompt(text, { promptSyntax: 'plain' }).unknown);
  return fitNotes(what, model.name, { truncated: false, kept: 0, lost: 0, unknown: [...new Set(lacking)] });
}

/** The texts of a run. */
export interface RunTexts {
  readonly prompt: string;
  readonly negativePrompt?: string | undefined;
  readonly sourcePrompt?: string | undefined;
  readonly settings: Pick<
    MethodSettings,
    'clipPrompt' | 'promptSyntax' | 'steps' | 'regionPrompt' | 'regionNegativePrompt'
  >;
  /** Whether the LoRAs that the prompt names are applied. */
  readonly hasLoras: boolean;
}

/** The lines about the texts of a run: those about the model first. A word that a CLIP lacks as the model does is named once. */
export async function promptWarnings(
  { prompt, negativePrompt = '', sourcePrompt = '', settings, hasLoras }: RunTexts,
  pipeline: Pick<Pipeline, 'model' | 'critic' | 'reporter' | 'checkPrompt'>,
): Promise<string[]> {
  const { name } = pipeline.model;
  const regionsOf = (texts: string | undefined, what: string) =>
    writtenTexts(texts ?? '').map((text) => [what, text] as const);
  const regions = regionsOf(settings.regionPrompt, 'prompt of a region');
  const lines: string[] = [];
  const unknown = new Set<string>();
  for (const [what, text] of [
    ['prompt', prompt],
    ['negative prompt', negativePrompt],
    ['description of the image', sourcePrompt],
    ...regions,
    ...regionsOf(settings.regionNegativePrompt, 'negative prompt of a region'),
  ] as const) {
    const fit = pipeline.checkPrompt(text, settings);
    for (const word of fit.unknown) unknown.add(word);
    lines.push(...promptNotes(what, name, fit, hasLoras && what === 'prompt'));
  }
  const forClip = criticText(prompt, settings);
  const clips = await clipsOf(pipeline);
  for (const [what, text] of [
    [settings.clipPrompt ? 'text for CLIP' : 'prompt', forClip],
    ...regions,
  ] as const) {
    lines.push(...clipNotes(what, text, clips, [...unknown]));
  }
  if (forClip === '') {
    lines.push(
      'the prompt has no words: CLIP, where it guides or scores, compares the image with an empty text',
    );
  }
  return lines;
}
