/** @file Suites that come with sgool: Toybox's own prompts, whose truth is known. */
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { packagedPath } from '../../weights/open/locate-model.ts';
import type { Suite } from './suite.ts';
import { suiteHash, suitePrompts } from './suite-text.ts';

/** Names and titles. Defaults and settings are chosen on `toybox-tuning` only; `toybox` and `moves` are for what is reported. */
export const OWN_SUITES = {
  toybox: 'Toybox: reported prompts',
  'toybox-tuning': 'Toybox: prompts for choosing settings',
  moves: 'Toybox: prompts of clips, two things and how they move',
} as const;
export type OwnSuiteName = keyof typeof OWN_SUITES;

/** @throws UserError where the package with the models is not installed */
export async function ownSuite(name: OwnSuiteName): Promise<Suite> {
  const file = packagedPath('prompts', `${name}.jsonl`);
  if (file === undefined) {
    throw new UserError(`suite ${name}: its prompts come with @sgool/toybox-models; install it`);
  }
  const prompts = suitePrompts(await files.readText(file, SIZE_LIMITS.prompts), 'jsonl', file);
  return {
    name,
    title: OWN_SUITES[name],
    prompts,
    sha256: suiteHash(prompts),
    origin: '@sgool/toybox-models: combinations of things that no training has shown, with their truth',
    licence: 'Apache-2.0',
    defects: ["counting is outside of Toybox's vocabulary, so that no prompt asks for a number"],
  };
}
