/** @file `sgool models add <name> <file>`: adds weights from a file that the user downloaded. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { SCORER_NAMES, type ScorerName } from '../../../request/scorer-names.ts';
import { openTensorFile } from '../../../weights/formats/tensor-file.ts';
import { type TensorFile, weightBytes } from '../../../weights/formats/weight-source.ts';
import { ADDED_NAMES, type AddedName } from '../../../weights/open/added.ts';
import { openComponent } from '../../../weights/open/model-folder.ts';
import { storeAdded } from '../../../weights/open/store-added.ts';
import type { Host } from '../../host.ts';
import { didYouMean } from '../../options/suggest.ts';
import { formatBytes } from '../../terminal/format.ts';
import { createProgress } from '../../terminal/progress.ts';
import { usageError } from '../../usage-error.ts';

/** `hps` stands for whichever version the file holds. */
const NAMES = [...ADDED_NAMES, 'hps'] as const;
type Name = (typeof NAMES)[number];

const NOTES = `
  transalnet    TranSalNet_Res.pth or TranSalNet_Dense.pth, linked from github.com/LJOVO/TranSalNet: saliency model
  hps-v1        hpc.pth, linked from github.com/tgxs002/align_sd: Human Preference Score v1
  hps-v2        HPS_v2_compressed.pt of xswu/HPSv2 on the Hub
  hps-v2.1      HPS_v2.1_compressed.pt of xswu/HPSv2 on the Hub
  hps           any of these three, detected from the shapes and the name of the file
  pickscore     the folder of yuvalkirstain/PickScore_v1, or its file of weights
  image-reward  ImageReward.pt of THUDM/ImageReward on the Hub

The names and shapes of the weights are checked, and a copy is stored in sgool's
data folder (SGOOL_DATA_DIR, else sgool in XDG_DATA_HOME or ~/.local/share),
where every model and sgool score find it. The original file is not needed after
that. Preference models need a vocabulary, which their files do not hold; if one
is found, it is stored with them.

Examples:
  sgool models add transalnet ~/Downloads/TranSalNet_Res.pth
  sgool models add hps-v2.1 HPS_v2.1_compressed.pt --tokenizer bpe_simple_vocab_16e6.txt.gz`;

export function configureAdd(parent: Command, host: Host): void {
  parent
    .command('add')
    .description('add weights from a file that you downloaded')
    .argument('<name>', `what it is: ${NAMES.join(', ')}`)
    .argument('<file>', 'a .safetensors, .pth or .pt file, or a folder with one')
    .option(
      '--tokenizer <place>',
      'vocabulary of a preference model: a folder, a file, or org/name of a pulled model',
    )
    .option('--json', 'print one JSON object on stdout instead of the path')
    .addHelpText('after', NOTES)
    .action((name: string, file: string, options: AddOptions) => add(name, file, options, host));
}

interface AddOptions {
  readonly tokenizer?: string;
  readonly json?: boolean;
}

const isName = (name: string): name is Name => (NAMES as readonly string[]).includes(name);
const isScorer = (name: AddedName): name is ScorerName & AddedName =>
  (SCORER_NAMES as readonly string[]).includes(name);

async function add(name: string, path: string, { tokenizer, json = false }: AddOptions, host: Host) {
  if (!isName(name)) {
    throw usageError(
      `models add: unknown name, got ${name}; choose one of ${NAMES.join(', ')}${didYouMean(name, NAMES)}`,
    );
  }
  const progress = createProgress(host.stderr, { quiet: false });
  try {
    const { identifyWeights } = await import('../../../networks/inspect/identify-weights.ts');
    const file = await openWeights(resolve(host.cwd, path));
    const { name: known, title, config, tensors } = identifyWeights(name, file);
    const vocabulary = isScorer(known) ? await vocabularyOf(known, file.path, tokenizer, host) : {};
    const bytes = weightBytes(tensors);
    progress.status(`copying ${formatBytes(bytes)}`);
    const dir = await storeAdded(known, config, tensors, host.env, vocabulary);
    progress.note(`${title}: ${tensors.size} weights, ${formatBytes(bytes)}`);
    if (vocabulary === undefined) {
      progress.note('no vocabulary was found for it; give one with --tokenizer, here or to sgool score');
    }
    if (json) host.stdout.write(`${JSON.stringify({ name: known, title, bytes, dir })}\n`);
    else host.stdout.data(`${dir}\n`);
  } finally {
    progress.end();
  }
}

/** Sizes of the vocabularies of the published models: CLIP's, and BERT's with BLIP's two tokens. */
const wordsOf = (name: ScorerName) => (name === 'image-reward' ? 30524 : 49408);

async function vocabularyOf(name: ScorerName, weights: string, given: string | undefined, host: Host) {
  const { vocabularyTexts } = await import('../../../preference/locate.ts');
  return vocabularyTexts(name, { words: wordsOf(name), weights, given, env: host.env });
}

const WEIGHTS = /\.(safetensors|pth?|bin)$/;

/** Opens a file, a folder with one file of weights, or a folder with several and a configuration, as transformers has it. */
async function openWeights(path: string): Promise<TensorFile> {
  if (!(await files.isFolder(path))) return openTensorFile(path);
  const names = (await files.list(path)) ?? [];
  const found = names.filter((name) => WEIGHTS.test(name));
  if (found.length === 1) return openTensorFile(join(path, found[0]));
  if (names.includes('config.json')) {
    const { weights } = await openComponent(path);
    return { path: weights.path, tensors: weights.tensors, metadata: {} };
  }
  throw new UserError(
    `models add: ${path} holds ${found.length === 0 ? 'no weights' : found.join(', ')}; give the file itself`,
  );
}
