/** @file LAION's aesthetic predictors: layers on the features of a CLIP ViT-L/14. */
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../../weights/formats/tensor-file.ts';
import { float32Of } from '../../weights/formats/tensor-views.ts';

interface Layer {
  /** `[outputs, inputs]`, row by row. */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** A head that is ready to run. */
export interface AestheticHead {
  /** Real path of its file. */
  readonly path: string;
  /** Length of the features that it reads. */
  readonly inputs: number;
  /** The score of features of length 1, about 1 to 10. */
  score(features: Float32Array): number;
}

/**
 * Opens a head: the linear one (`sa_0_4_vit_l_14_linear.pth`: `weight`, `bias`) or the MLP (`sac+logos+ava1-l14-linearMSE.pth`:
 * `layers.<n>.weight`, `layers.<n>.bias`, linear layers without activations, dropout between them).
 *
 * Reference: github.com/LAION-AI/aesthetic-predictor; christophschuhmann/improved-aesthetic-predictor, simple_inference.py (MLP)
 *
 * @throws UserError where the file is missing, broken, or is no such head
 */
export async function openAestheticHead(path: string): Promise<AestheticHead> {
  const file = await openTensorFile(path);
  const wrong = (what: string) =>
    new UserError(
      `scorer aesthetic: ${path}: ${what}; expected LAION's linear head (weight, bias) or its MLP (layers.0.weight, layers.0.bias, ...)`,
    );
  const names = [...file.tensors.keys()].filter((name) => /^(layers\.\d+\.)?weight$/.test(name));
  const place = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);
  const layers: Layer[] = [];
  let inputs: number | undefined;
  let length: number | undefined;
  for (const name of names.toSorted((a, b) => place(a) - place(b))) {
    const [weight, bias] = [file.tensors.get(name), file.tensors.get(name.replace(/weight$/, 'bias'))];
    const [outputs, columns] = weight?.shape ?? [];
    if (weight?.shape.length !== 2 || bias?.shape.length !== 1 || bias.shape[0] !== outputs) {
      throw wrong(`${name} and its bias are not those of a linear layer`);
    }
    if (length !== undefined && columns !== length)
      throw wrong(`${name} reads ${columns} numbers, the layer before it gives ${length}`);
    inputs ??= columns;
    length = outputs;
    layers.push({ weight: float32Of(weight), bias: float32Of(bias) });
  }
  if (inputs === undefined || length !== 1) throw wrong('it does not end in one score');
  return {
    path: file.path,
    inputs,
    score: (features) => layers.reduce(applied, features)[0],
  };
}

/** weight · x + bias. */
function applied(x: Float32Array, { weight, bias }: Layer): Float32Array {
  return bias.map((start, row) => {
    let sum = start;
    for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i] * x[i];
    return sum;
  });
}
