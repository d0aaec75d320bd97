/** @file Any scorer that was exported to ONNX: `<name>.onnx`, and `<name>.json` that says what it reads. */
import { concat, neg, reshape, slice, type Tensor } from '@sgool/autodiff';
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { hasTokenizer, type OpenedTokenizer, openTokenizer } from '../../text/load-tokenizer.ts';
import { resolveModel } from '../../weights/open/locate-model.ts';
import type { PromptInputs, PromptShapes, TraceableScorer } from '../scorer.ts';
import { type OnnxDescription, type OnnxText, onnxName, readScorerDescription } from './onnx-description.ts';
import { type OnnxNetwork, onnxView, openOnnxNetwork } from './onnx-network.ts';

/** A scorer from an ONNX file, and what its description says. */
export interface OnnxScorer {
  readonly described: OnnxDescription;
  /** Of a score of which less is better, this is minus the score. */
  readonly model: TraceableScorer;
}

/**
 * Opens a scorer. Its name is that of the file without its ending.
 *
 * @param path of the .onnx file
 * @throws UserError in one line where the file, or the description beside it, is not usable
 */
export async function openOnnxScorer(path: string): Promise<OnnxScorer> {
  const who = `scorer onnx: ${path}`;
  if (!(await files.exists(path))) throw new UserError(`${who}: there is no such file`);
  const described = await readScorerDescription(path, who);
  const { image, text, output, index, higherIsBetter } = described;
  const others = Object.fromEntries(text ? idInputs(text).map((name) => [name, [text.length]]) : []);
  const network = await openOnnxNetwork(path, who, { image, output, others });
  const tokenizer = text && (await tokenizerOf(text, places.dirname(path), who));
  return {
    described,
    model: {
      name: onnxName(path),
      side: image.size,
      bytes: network.bytes,
      files: network.files,
      view: (size) => onnxView(image, size),
      fit(prompt) {
        if (!text || !tokenizer) return { truncated: false, kept: 0, lost: 0, unknown: [] };
        const { tokens, lost, truncated } = tokenizer.encode(prompt, text.length);
        return { kept: tokens.length, lost, truncated, unknown: tokenizer.unknownWords(prompt) };
      },
      promptShapes: Object.fromEntries(
        Object.entries(others).map(([name, shape]) => [name, { shape, dtype: typeOf(network, name, who) }]),
      ),
      encode: async (prompt) => (text && tokenizer ? encoded(prompt, text, tokenizer, network) : {}),
      score(planes, prompts) {
        const scores = Array.from({ length: planes.shape[0] }, (_, i) => {
          const one = (tensor: Tensor) => slice(tensor, [{ axis: 0, start: i, end: i + 1 }]);
          const own = Object.fromEntries(Object.entries(prompts).map(([name, all]) => [name, one(all)]));
          return numberOf(network.output(one(planes), own), network, index, who);
        });
        const all = concat(scores, 0);
        return higherIsBetter ? all : neg(all);
      },
    },
  };
}

/** Names of the inputs that hold a prompt. */
const idInputs = ({ input, mask }: OnnxText) => (mask === undefined ? [input] : [input, mask]);

function typeOf({ inputs }: OnnxNetwork, name: string, who: string): PromptShapes[string]['dtype'] {
  const { dtype = 'float32' } = inputs[name];
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'int64') return dtype;
  throw new UserError(`${who}: input ${name} takes ${dtype}; token ids come as int64, int32 or float32`);
}

/** One number of those of the first image: [1]. */
function numberOf(output: Tensor, { batch, outputName }: OnnxNetwork, index: number, who: string): Tensor {
  const numbers = output.size / batch;
  if (index >= numbers) {
    throw new UserError(
      `${who}: index: the output ${outputName} has ${numbers} numbers of an image, got ${index}`,
    );
  }
  return slice(reshape(output, [output.size]), [{ axis: 0, start: index, end: index + 1 }]);
}

/** What is needed of a tokenizer, of whichever kind. */
type AnyTokenizer = Pick<OpenedTokenizer['tokenizer'], 'encode' | 'unknownWords'>;

async function tokenizerOf({ tokenizer }: OnnxText, folder: string, who: string): Promise<AnyTokenizer> {
  const beside = places.join(folder, tokenizer);
  const { dir } = (await hasTokenizer(beside)) ? { dir: beside } : resolveModel(tokenizer);
  for (const place of [dir, places.join(dir, 'tokenizer')]) {
    if (await hasTokenizer(place)) return (await openTokenizer(place)).tokenizer;
  }
  throw new UserError(
    `${who}: text.tokenizer: ${tokenizer} has no tokenizer; give a folder with tokenizer.json, or vocab.json and merges.txt (CLIP's), spiece.model (T5's) or vocab.txt (BERT's)`,
  );
}

/** Token ids, and their mask, in the type of the model's inputs. */
function encoded(
  prompt: string,
  { input, length, mask }: OnnxText,
  tokenizer: AnyTokenizer,
  { inputs }: OnnxNetwork,
): PromptInputs {
  const fitted = tokenizer.encode(prompt, length);
  const own = Array.from({ length }, (_, i) => Number(i < fitted.length));
  const typed = (name: string, numbers: readonly number[]) => {
    const { dtype } = inputs[name];
    if (dtype === 'int64') return BigInt64Array.from(numbers, BigInt);
    return dtype === 'float32' ? Float32Array.from(numbers) : Int32Array.from(numbers);
  };
  return {
    [input]: typed(input, [...fitted.ids]),
    ...(mask === undefined ? {} : { [mask]: typed(mask, own) }),
  };
}
