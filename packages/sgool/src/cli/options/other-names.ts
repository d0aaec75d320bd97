/**
 * @file What other tools call our options, so that "did you mean" goes by meaning and not by letters alone. Names are those of
 * diffusers, of AUTOMATIC1111's web UI and its API, of CompVis' scripts, of ComfyUI and of InvokeAI.
 */

/** After Detailer's names. */
const DETAIL_NAMES: Readonly<Record<string, readonly string[]>> = {
  detail: ['adetailer', 'after-detailer', 'ad', 'face-detailer', 'face-fix'],
  box: ['bbox', 'bounding-box', 'region'],
  'region-prompt': ['ad-prompt', 'detail-prompt'],
  'region-negative': ['ad-negative-prompt', 'detail-negative'],
  'min-region-mass': ['ad-confidence', 'confidence', 'detail-confidence'],
  'max-regions': ['ad-mask-k', 'ad-mask-k-largest', 'top-k'],
  'min-region-area': ['ad-mask-min-ratio', 'mask-min-ratio'],
  'max-region-area': ['ad-mask-max-ratio', 'mask-max-ratio'],
  'region-offset-x': ['ad-x-offset', 'x-offset'],
  'region-offset-y': ['ad-y-offset', 'y-offset'],
  'region-dilation': ['ad-dilate-erode', 'dilate-erode', 'dilation', 'dilate', 'erode'],
  'region-merge': ['ad-mask-merge-invert', 'mask-merge-invert', 'merge-invert'],
  'region-order': ['sort-bboxes', 'sortby', 'bbox-sortby'],
  'detail-feather': ['ad-mask-blur', 'mask-blur'],
  'detail-strength': ['ad-denoising-strength', 'detail-denoise'],
  'only-masked': ['ad-inpaint-only-masked', 'inpaint-only-masked', 'inpaint-full-res'],
  'detail-padding': ['ad-inpaint-only-masked-padding', 'only-masked-padding', 'inpaint-full-res-padding'],
  'detail-width': ['ad-inpaint-width', 'inpaint-width'],
  'detail-height': ['ad-inpaint-height', 'inpaint-height'],
  'detail-steps': ['ad-steps'],
  'detail-guidance': ['ad-cfg-scale'],
  'detail-sampler': ['ad-sampler'],
  'detail-clip-skip': ['ad-clip-skip'],
};

/** Their names in kebab-case, by the flag of ours that means the same. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  guidance: ['cfg', 'cfg-scale', 'cfgscale', 'scale', 'guidance-weight', 'unconditional-guidance-scale'],
  steps: ['num-inference-steps', 'inference-steps', 'ddim-steps', 'sampling-steps', 'num-steps', 'n-steps'],
  count: [
    ...['n-iter', 'n-samples', 'num-images', 'num-images-per-prompt', 'num-samples', 'batch-count'],
    ...['batch-size', 'number-of-images', 'images', 'n'],
  ],
  prompts: ['from-file', 'prompt-file', 'prompts-file', 'prompts-from-file'],
  size: ['resolution', 'res', 'dimensions', 'image-size', 'w', 'h'],
  negative: ['neg', 'neg-prompt', 'uncond', 'unconditional-prompt', 'n-prompt'],
  sampler: ['scheduler', 'sampler-name', 'sampling-method', 'sample-method', 'plms', 'ddim', 'dpm-solver'],
  strength: ['denoising-strength', 'denoise', 'img2img-strength', 'noise-strength'],
  model: [
    ...['ckpt', 'checkpoint', 'ckpt-path', 'ckpt-name', 'model-id', 'model-path', 'model-name', 'sd-model'],
    ...['sd-model-checkpoint', 'pretrained-model-name-or-path'],
  ],
  vae: ['sd-vae', 'vae-path', 'autoencoder', 'vae-name'],
  'text-encoders': [
    ...['text-encoder', 'text-encoder-2', 'text-encoder-3', 'clip-l', 'clip-g', 't5xxl', 't5', 'clip-name1'],
    ...['clip-name2', 'text-encoder-path'],
  ],
  lora: ['loras', 'lora-weights', 'lora-path', 'lora-name', 'adapter', 'lora-model'],
  motion: ['motion-module', 'motion-adapter', 'mm', 'motion-model', 'animatediff', 'mm-filename'],
  embedding: ['embeddings', 'textual-inversion', 'embeddings-dir', 'learned-embeds', 'ti'],
  out: ['outdir', 'output', 'output-dir', 'output-path', 'o', 'outfile', 'save', 'save-dir', 'folder'],
  mask: ['mask-image', 'mask-path', 'inpaint-mask', 'image-mask'],
  device: ['gpu', 'cuda', 'use-gpu', 'accelerator', 'backend'],
  precision: ['fp16', 'half', 'dtype', 'torch-dtype', 'full-precision', 'no-half', 'float16', 'autocast'],
  memory: ['lowvram', 'medvram', 'low-vram', 'enable-attention-slicing', 'attention-slicing', 'cpu-offload'],
  'model-config': ['config', 'original-config', 'original-config-file', 'yaml'],
  prediction: ['prediction-type', 'parameterization', 'v-prediction'],
  method: ['algorithm', 'mode', 'approach'],
  iterations: ['iters', 'num-iterations', 'optimisation-steps', 'optimization-steps', 'num-traversal-steps'],
  'learning-rate': ['lr', 'step-size'],
  optimiser: ['optimizer', 'optim'],
  renormalise: ['renormalize', 'renormalize-latents'],
  'clip-guidance-scale': ['clip-guidance', 'clip-scale'],
  cutouts: ['num-cutouts', 'cutn', 'num-cuts'],
  'cut-power': ['cut-pow'],
  'target-image': ['target', 'reference-image', 'ref-image', 'reference', 'image-prompt', 'clip-viz-paths'],
  edit: ['img2img', 'image-to-image', 'sdedit', 'p2p', 'prompt-to-prompt', 'edit-mode', 'edit-method'],
  ...DETAIL_NAMES,
  'optimise-from': ['optimize-from', 'opt-t', 'optimise-at', 'optimize-at', 'start-step'],
  'clip-prompt': ['clip-text', 'guidance-prompt'],
  'mixing-weight': ['mix-weight', 'init-mix-weight', 'edict-p'],
  lambda: ['saliency-weight'],
  saliency: ['detector', 'saliency-model'],
  from: ['init-prompt', 'base-prompt', 'old-prompt', 'original-prompt', 'inversion-prompt'],
  'save-iterations': ['save-intermediates', 'save-intermediate', 'save-steps'],
  metadata: ['save-metadata', 'enable-pnginfo', 'pnginfo'],
  quiet: ['silent', 'no-progress', 'disable-progress'],
  json: ['output-format'],
  'allow-empty': ['empty', 'unconditional'],
  scorer: ['scorers', 'metric', 'metrics', 'reward'],
  seed: ['random-seed', 'manual-seed', 'noise-seed', 'rng-seed'],
};

/** What there is instead of an option that sgool does not have. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...each(
    ['prompt', 'p', 'text', 'txt', 'positive-prompt'],
    'the prompt is no option: write it in quotes after the command',
  ),
  ...each(
    ['init-img', 'init-image', 'input-image', 'input', 'img', 'image', 'i'],
    'to begin with an image: sgool refine <image> "<prompt>"',
  ),
  ...each(
    ['edit', 'img2img', 'image-to-image', 'sdedit'],
    'image-to-image is: sgool refine <image> "<prompt>" --edit sdedit',
  ),
  ...each(
    [
      ...['hires', 'hires-fix', 'enable-hr', 'hr-scale', 'hr-upscaler', 'hires-upscale', 'hires-steps'],
      ...['hr-second-pass-steps', 'upscale', 'upscaler', 'highres-fix'],
    ],
    'sgool has no second pass in a higher resolution; --size makes the image larger at once',
  ),
  ...each(
    ['refiner', 'refiner-checkpoint', 'refiner-switch-at', 'switch-at'],
    'sgool has no refiner model; sgool refine changes an image by optimisation',
  ),
  ...each(
    ['subseed', 'subseed-strength', 'variation-seed', 'variation-strength', 'seed-resize-from-w'],
    'sgool has no variation seeds; each --seed is an image of its own',
  ),
  ...each(['restore-faces', 'face-restoration', 'ad-restore-face'], 'sgool does not restore faces'),
  ...each(
    ['ad-model', 'ad-model-classes', 'face-yolov8n'],
    'sgool has no detector of faces or hands; --saliency chooses how regions are found, --box says them',
  ),
  ...each(
    ['ad-checkpoint', 'ad-use-checkpoint', 'ad-vae', 'ad-use-vae', 'ad-noise-multiplier', 'noise-multiplier'],
    'regions are repainted by the model of the run, with the noise of the sampler',
  ),
  ...each(
    ['detail', 'adetailer', 'after-detailer'],
    'to repaint the regions of an image: sgool detail <image> "<prompt>"',
  ),
  ...each(['tiling', 'tile'], 'sgool makes no tiling images'),
  ...each(['skip-grid', 'grid', 'skip-save'], 'a grid comes with --count and --prompts'),
  ...each(['fixed-code'], 'the starting noise is fixed by --seed'),
  ...each(['nsfw', 'safety-checker', 'disable-safety-checker'], 'sgool has no safety checker'),
  ...each(['controlnet', 'control-image', 'ip-adapter'], 'sgool has no ControlNet and no IP-Adapter'),
  ...each(['xformers', 'opt-sdp-attention'], 'there is nothing to switch: attention is always compiled'),
};

function each(names: readonly string[], text: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, text]));
}

const FLAGS = new Map(Object.entries(SAME).flatMap(([flag, names]) => names.map((name) => [name, flag])));

/** `cfgScale`, `cfg_scale`, `--cfg-scale`: all in the same form. */
export const kebabName = (name: string): string =>
  name
    .replace(/^-+/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll(/[_\s]+/g, '-')
    .toLowerCase();

/**
 * Our name for an option of another tool.
 *
 * @param has whether the command in question has a flag
 * @returns the flag, or a sentence where there is none; undefined where the name means nothing to us
 */
export function meaningOf(
  name: string,
  has: (flag: string) => boolean,
): { readonly flag: string } | { readonly text: string } | undefined {
  const wanted = kebabName(name);
  const flag = FLAGS.get(wanted);
  if (flag !== undefined && has(flag)) return { flag };
  const text = INSTEAD[wanted];
  return text === undefined ? undefined : { text };
}
