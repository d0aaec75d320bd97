/** @file The loss of a noisy latent by what the network attends to: maps, words and a requirement as one differentiable program. */
import { reshape } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import type { CrossAttention, CrossAttentionLayer } from '../../models/cross-attention.ts';
import { LOSS_FACTS, RELATIONS, type Relation } from '../../request/attention-losses.ts';
import type { AttentionLossName } from '../../request/settings/attention.ts';
import { ATTENTION_LOSSES } from './losses/index.ts';
import { type Requirement, tokensOf } from './requirement.ts';
import { layersUpTo, meanOfHeads, tokenShares, wordMaps } from './word-maps.ts';

/** The loss of a latent and its gradient. */
export interface AttentionResult {
  readonly loss: number;
  /** How much place the thing has that has the least, by the measure of the loss; undefined where no thing is to exist. */
  readonly presence?: number;
  /** d loss / d latent. */
  readonly gradient: Float64Array;
}

/** The loss for latents of one size. */
export interface AttentionObjective {
  /** The layers whose maps it reads, all of one size. */
  readonly layers: readonly CrossAttentionLayer[];
  /** Whether results have a `presence`. */
  readonly hasPresence: boolean;
  /** One evaluation of the network and one pullback. */
  evaluate(latent: Float64Array, timestep: number): Promise<AttentionResult>;
}

/** What it is made for. */
export interface AttentionObjectiveOptions {
  readonly loss: AttentionLossName;
  readonly requirement: Requirement;
  /** The largest maps are read whose shorter side has at most so many positions. */
  readonly resolution: number;
  /** Name of the option that the words come from, for messages. */
  readonly who: string;
}

/** What a relation is called in messages, with an example. */
const NAMES: Readonly<Record<Relation, string>> = {
  exists: 'things that exist ("cat and dog")',
  apart: 'things that do not overlap ("cat apart from dog")',
  belongs: 'attributes of things ("dog: blue")',
};

/**
 * Makes the objective.
 *
 * @throws UserError where a word is not in the prompt, the loss has no term for what is required, or all maps are too large
 */
export function attentionObjective(
  attention: CrossAttention,
  { loss: name, requirement, resolution, who }: AttentionObjectiveOptions,
): AttentionObjective {
  const { relations } = LOSS_FACTS[name];
  const foreign = RELATIONS.find((key) => requirement[key].length > 0 && !relations.includes(key));
  if (foreign !== undefined) {
    const able = Object.entries(LOSS_FACTS).filter(([, facts]) => facts.relations.includes(foreign));
    throw new UserError(
      `attentionLoss: ${name} has no term for ${NAMES[foreign]}; choose ${able.map(([one]) => one).join(' or ')}`,
    );
  }
  const layers = layersUpTo(attention.layers, resolution);
  const { tokens } = attention;
  const indices = requirement.words.map((word) => tokensOf(word, attention, who));
  const numbers = {
    words: tokenShares(indices, tokens),
    ...(requirement.belongs.length > 0 && {
      unrelated: unrelatedShares(attention, requirement, indices),
    }),
  };
  const pairs = requirement.belongs.length;
  const program = attention.program({
    key: `${name}, ${JSON.stringify([requirement.exists, requirement.apart, requirement.belongs])}, ${layers.map((one) => one.name).join(' ')}`,
    layers,
    inputs: {
      words: { shape: [indices.length, tokens] },
      ...(pairs > 0 && { unrelated: { shape: [pairs, tokens] } }),
    },
    outputs(maps, { words, unrelated }) {
      const all = wordMaps(meanOfHeads(maps), words);
      const { loss: total, presence } = ATTENTION_LOSSES[name]({ ...all, requirement, unrelated });
      return { loss: reshape(total, [1]), ...(presence && { presence: reshape(presence, [1]) }) };
    },
    differentiated: 'loss',
  });
  return {
    layers,
    hasPresence: relations.includes('exists') && requirement.exists.length > 0,
    async evaluate(latent, timestep) {
      const results = await program(latent, timestep, numbers);
      return {
        loss: results.loss[0],
        ...('presence' in results && { presence: results.presence[0] }),
        gradient: Float64Array.from(results.gradient),
      };
    },
  };
}

/** For each pair of an attribute and a thing the shares of the prompt's tokens that are in no pair. */
function unrelatedShares(
  { pieces, tokens }: Pick<CrossAttention, 'pieces' | 'tokens'>,
  { belongs }: Requirement,
  indices: readonly (readonly number[])[],
): Float32Array {
  const related = new Set(belongs.flat().flatMap((word) => indices[word]));
  const others = pieces.map((_, i) => i + 1).filter((at) => !related.has(at));
  return tokenShares(
    belongs.map(() => others),
    tokens,
  );
}
