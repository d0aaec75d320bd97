/** @file Suites that come with sgool: Toybox's own prompts, whose truth is known. */
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { packagedPath } from '../../weights/open/locate-model.ts';
import type { Suite } from './suite.ts';
import { suiteHash, suitePrompts } from './suite-text.ts';

interface OwnSuite extends Pick<Suite, 'title' | 'defects' | 'judge'> {
  readonly origin: string;
}

const TOYBOX = {
  origin: 'combinations of things that no training has shown, with their truth',
  defects: ["counting is outside of Toybox's vocabulary, so that no prompt asks for a number"],
};
const TOYBOX_FLOW = {
  judge: 'judge-counts',
  origin:
    'pairs of things, and numbers of things, that no training of toybox-flow has shown, with their truth',
  defects: ['a thing alone is never held out: training shows every one of them'],
} as const;

/** Defaults and settings are chosen on the suites for tuning only; the others are for what is reported. */
export const OWN_SUITES = {
  toybox: { title: 'Toybox: reported prompts', ...TOYBOX },
  'toybox-tuning': { title: 'Toybox: prompts for choosing settings', ...TOYBOX },
  moves: { title: 'Toybox: prompts of clips, two things and how they move', ...TOYBOX },
  'toybox-flow': { title: 'toybox-flow: reported prompts', ...TOYBOX_FLOW },
  'toybox-flow-tuning': { title: 'toybox-flow: prompts for choosing settings', ...TOYBOX_FLOW },
} as const satisfies Readonly<Record<string, OwnSuite>>;
export type OwnSuiteName = keyof typeof OWN_SUITES;

/** @throws UserError where the package with the models is not installed */
export async function ownSuite(name: OwnSuiteName): Promise<Suite> {
  const file = packagedPath('prompts', `${name}.jsonl`);
  if (file === undefined) {
    throw new UserError(`suite ${name}: its prompts come with @sgool/toybox-models; install it`);
  }
  const prompts = suitePrompts(await files.readText(file, SIZE_LIMITS.prompts), 'jsonl', file);
  const { origin, ...own }: OwnSuite = OWN_SUITES[name];
  return {
    name,
    ...own,
    prompts,
    sha256: suiteHash(prompts),
    origin: `@sgool/toybox-models: ${origin}`,
    licence: 'Apache-2.0',
  };
}
