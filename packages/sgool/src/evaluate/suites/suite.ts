/** @file A prompt suite: prompts with categories, where it comes from, and what its images must show where that is known. */

import type { JudgeName } from '../../networks/judge/open-judge.ts';
import type { Clause } from './clause.ts';

/** A prompt of a suite. */
export interface SuitePrompt {
  /** Unique within its suite, and the same in every run: the number of the prompt from 1, or the file's own name for it. */
  readonly id: string;
  readonly text: string;
  /** Group that reports show by itself: a category of DrawBench, a phenomenon of CSP. */
  readonly category?: string;
  /**
   * What an image must show, for suites whose truth is known. One list of clauses for each reading of an ambiguous prompt: an
   * image is right if it fulfils all clauses of one of them.
   */
  readonly readings?: readonly (readonly Clause[])[];
}

/** A prompt suite that is ready to be run. */
export interface Suite {
  /** Letters, digits and `-`. */
  readonly name: string;
  readonly title: string;
  readonly prompts: readonly SuitePrompt[];
  /** SHA-256 of the prompts in order, as `suiteHash` computes it: two runs with equal hashes had the same prompts. */
  readonly sha256: string;
  /** Where the prompts come from: paper, repository, file. */
  readonly origin: string;
  readonly licence?: string;
  /** The judge that checks the clauses of its prompts. Default: `judge`. */
  readonly judge?: JudgeName;
  /** Known defects of the list, one line each. A report prints them. */
  readonly defects: readonly string[];
}
