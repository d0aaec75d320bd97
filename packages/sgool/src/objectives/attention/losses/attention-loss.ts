/** @file What all losses of the attention have in common. */
import type { Tensor } from '@sgool/autodiff';
import type { Requirement } from '../requirement.ts';
import type { WordMaps } from '../word-maps.ts';

/** What a loss is made from, inside a trace. */
export interface LossInput extends WordMaps {
  /** Where the words of the requirement are among the maps. */
  readonly requirement: Omit<Requirement, 'words'>;
  /** [pairs, tokens]: for each pair of `belongs` the shares of the tokens of the prompt that belong to no pair; each row sums to 1. */
  readonly unrelated: Tensor;
}

/**
 * A loss of the attention: one element; lower is better.
 *
 * `presence`, one element, says how much place the thing has that has the least: what thresholds are compared with. It is there for
 * requirements by which something exists.
 */
export type AttentionLoss = (input: LossInput) => { readonly loss: Tensor; readonly presence?: Tensor };
