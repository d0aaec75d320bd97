/**
 * @file What Stable Diffusion 3 and Flux read of a CLIP text encoder: the states of its tokens, and one vector for the whole text.
 *
 * Reference: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", section 4; diffusers,
 * pipelines/stable_diffusion_3 and pipelines/flux (`_get_clip_prompt_embeds`)
 */
import { trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { linearLayer } from '../../networks/layers.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import { textEncoder, tokenAt } from '../../networks/text/text-encoder.ts';
import { clipTextConfig } from '../../networks/text/text-encoder-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { checkIds } from '../../text/fitted-ids.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';

/** A text as a CLIP gives it. */
export interface ClipStates {
  /** [tokens, hidden_size]: after the last layer but one, without the final layer norm. */
  readonly states: Float32Array;
  /** The end token after the final layer norm, projected: [projection_dim]. Without a projection the same as `pooledUnprojected`. */
  readonly pooled: Float32Array;
  /** The end token after the final layer norm, [hidden_size]. */
  readonly pooledUnprojected: Float32Array;
}

/** How a CLIP is read. */
export interface ClipStatesOptions {
  /** 1 for the last layer but one, 2 for the one before it, and so on: diffusers' `clip_skip` plus one. Default 1. */
  readonly clipSkip?: number;
}

const PROJECTION = 'text_projection.weight';

/**
 * The states of a text. The vector for the whole text is that of all layers, whatever is skipped. A CLIP without the weight
 * `text_projection` projects by the identity: the published CLIP-L of Stable Diffusion 3 has none.
 *
 * Its program stays in the cache under a key that begins with the component's name.
 *
 * @param component a CLIPTextModel, with or without projection
 * @param ids of the tokenizer, with start, end and padding
 * @throws UserError where an id has no embedding, the text has no end token, or more layers are skipped than there are
 */
export async function clipStates(
  { name, dir, config: stated, weights: source }: ModelComponent,
  programs: ProgramCache,
  ids: Int32Array,
  { clipSkip = 1 }: ClipStatesOptions = {},
): Promise<ClipStates> {
  const config = clipTextConfig(stated, `${dir}/config.json`);
  const { num_hidden_layers: layers, projection_dim: projected } = config;
  if (clipSkip > layers - 1) {
    throw new UserError(
      `request: clipSkip must be at most ${layers - 1} for the text encoder ${dir}, got ${clipSkip}`,
    );
  }
  checkIds(ids, config.vocab_size, dir);
  const end = endOf(ids, config.eos_token_id, dir);
  const program = await programs.get(`${name} ${ids.length} tokens, clip skip ${clipSkip}`, () =>
    trace(
      { ids: { shape: [1, ids.length], dtype: 'int32' }, end: { shape: [1], dtype: 'int32' } },
      (inputs) => {
        const weights = networkWeights(source);
        const { lastHiddenState, hiddenStates } = textEncoder(config, weights)(inputs.ids);
        const pooled = tokenAt(lastHiddenState, inputs.end);
        return {
          states: hiddenStates[layers - clipSkip],
          unprojected: pooled,
          ...(source.has(PROJECTION)
            ? { pooled: linearLayer(weights, 'text_projection', pooled, projected, { bias: false }) }
            : {}),
        };
      },
    ),
  );
  const out = await program.run({ ids, end: Int32Array.of(end) });
  const pooledUnprojected = out.unprojected as Float32Array;
  return {
    states: out.states as Float32Array,
    pooled: (out.pooled ?? pooledUnprojected) as Float32Array,
    pooledUnprojected,
  };
}

/**
 * The place of the end token. Older files say 2 whatever the end token is, and mean the largest id of the text.
 *
 * Reference: transformers, models/clip/modeling_clip.py, CLIPTextModel
 */
function endOf(ids: Int32Array, end: number, dir: string): number {
  if (end === 2) return ids.reduce((best, id, i) => (id > ids[best] ? i : best), 0);
  const place = ids.indexOf(end);
  if (place >= 0) return place;
  throw new UserError(
    `${dir}/config.json: eos_token_id ${end} is not in the text's ids; it must be the id with which the tokenizer ends a text`,
  );
}
