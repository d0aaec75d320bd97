/**
 * @file Weights in 8-bit floats with a scale beside them, as ComfyUI stores "scaled fp8": weight = stored · scale.
 *
 * Reference: ComfyUI, comfy/ops.py (scaled_fp8_ops, `scale_weight`), comfy/quant_ops.py (`weight_scale`, `comfy_quant`)
 */
import { UserError } from '../../errors.ts';
import { product } from '../../numbers.ts';
import { scaledBy, valuesOf } from './tensor-views.ts';
import type { TensorFile, WeightTensor } from './weight-source.ts';

/** Endings of the scale of a weight; those of its input, which only arithmetic in 8 bits needs; markers. */
const WEIGHT_SCALES = ['.scale_weight', '.weight_scale'];
const INPUT_SCALE = /\.(scale_input|input_scale)$/;
const MARKER = /(^|\.)scaled_fp8$/;
const QUANT = '.comfy_quant';

/** Other programs' quantised weights, by the names of their scales. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/\.(absmax|quant_map|nested_absmax|quant_state\.[\w.]+)$|\.SCB$/, 'bitsandbytes'],
  [/\.(qweight|qzeros|g_idx)$/, 'GPTQ or AWQ'],
  [/\.(weight\._data|weight\._scale)$/, 'quanto'],
  [/\.(wscales|proj_down|smooth_factor)$/, 'Nunchaku (SVDQuant)'],
  [/\.weight_scale_2$/, 'NVFP4'],
];

function scaled(path: string, name: string, weight: WeightTensor, scale: WeightTensor): WeightTensor {
  const count = product(scale.shape);
  if (count !== 1 && count !== weight.shape[0]) {
    throw new UserError(
      `${path}: the scale of ${name} has shape [${scale.shape}]; one number, or one for each of ${weight.shape[0]} rows, is supported`,
    );
  }
  return scaledBy(weight, scale);
}

function checkQuant(path: string, name: string, tensor: WeightTensor): void {
  const text = new TextDecoder().decode(Uint8Array.from(valuesOf(tensor) as Uint8Array));
  const [, format] = /"format"\s*:\s*"(\w*)"/.exec(text) ?? [];
  if (format === 'float8_e4m3fn' || format === 'float8_e5m2') return;
  throw new UserError(
    `${path}: ${name} says the format ${JSON.stringify(format ?? text.slice(0, 60))}, which is not supported; float8_e4m3fn and float8_e5m2 are`,
  );
}

/**
 * Applies the scales of a file to its weights and leaves them out.
 *
 * @throws UserError for weights that another program quantised
 */
export function withScales(file: TensorFile): TensorFile {
  const { path, tensors } = file;
  const names = [...tensors.keys()];
  for (const [pattern, program] of OTHERS) {
    const name = names.find((each) => pattern.test(each));
    if (name !== undefined) {
      throw new UserError(
        `${path}: quantised by ${program} (${name.slice(0, 100)}), which is not supported; use the float16 file of the model`,
      );
    }
  }
  const isScaled = names.some(
    (name) => MARKER.test(name) || name.endsWith(QUANT) || WEIGHT_SCALES.some((end) => name.endsWith(end)),
  );
  if (!isScaled) return file;
  const result = new Map<string, WeightTensor>();
  for (const [name, tensor] of tensors) {
    if (MARKER.test(name) || INPUT_SCALE.test(name) || WEIGHT_SCALES.some((end) => name.endsWith(end)))
      continue;
    if (name.endsWith(QUANT)) {
      checkQuant(path, name, tensor);
      continue;
    }
    const stem = name.endsWith('.weight') ? name.slice(0, -'.weight'.length) : undefined;
    const scale = WEIGHT_SCALES.map((end) => tensors.get(`${stem}${end}`)).find(
      (found) => found !== undefined,
    );
    const isNarrow = tensor.dtype === 'F8_E4M3' || tensor.dtype === 'F8_E5M2';
    result.set(name, scale !== undefined && isNarrow ? scaled(path, name, tensor, scale) : tensor);
  }
  return { ...file, tensors: result };
}
