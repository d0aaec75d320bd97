/** @file A tokenizer in the file layout of T5's; its pieces are single letters, at the start of a word and inside. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The sign of a space. */
const SPACE = '\u2581';
const SPECIAL = ['<pad>', '</s>', '<unk>'];
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];
const PIECES = [...SPECIAL, SPACE, ...LETTERS, ...LETTERS.map((letter) => SPACE + letter)];
export const T5_VOCABULARY = PIECES.length;

/** Writes tokenizer.json and the small configuration. */
export async function writeT5Tokenizer(dir: string): Promise<void> {
  const [pad, end, unknown] = SPECIAL;
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const file = {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: SPACE, prepend_scheme: 'always' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: end, type_id: 0 } }],
    },
    model: {
      type: 'Unigram',
      unk_id: SPECIAL.indexOf(unknown),
      vocab: PIECES.map((piece) => [piece, SPECIAL.includes(piece) ? 0 : -3]),
    },
  };
  const tokens = { eos_token: end, unk_token: unknown, pad_token: pad };
  const config = { ...tokens, extra_ids: 0, model_max_length: 512, tokenizer_class: 'T5TokenizerFast' };
  await writeFile(join(dir, 'tokenizer.json'), JSON.stringify(file));
  await writeFile(join(dir, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
