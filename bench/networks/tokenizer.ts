/** @file A tokenizer with the size and the file layout of CLIP's; its merges are pairs of frequent letters, not learned ones. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteSymbolsById, END_OF_TEXT, END_OF_WORD, START_OF_TEXT } from 'sgool/networks';

export const VOCABULARY = 49_408;
export const MAX_TOKENS = 77;

const LETTERS = [...'etaoinshrdlucmfwypvbgkjqxz'];

/** Merges of two letters, then of three, then of four, each inside and at the end of a word. */
function* pairs(): Generator<[string, string]> {
  let stems = LETTERS;
  for (;;) {
    const longer: string[] = [];
    for (const stem of stems) {
      for (const letter of LETTERS) {
        yield [stem, letter];
        yield [stem, letter + END_OF_WORD];
        longer.push(stem + letter);
      }
    }
    stems = longer;
  }
}

/** Writes vocab.json, merges.txt and the two small configurations. */
export async function writeTokenizer(dir: string): Promise<void> {
  const bytes = byteSymbolsById();
  const symbols = [...bytes, ...bytes.map((symbol) => symbol + END_OF_WORD)];
  const merges: string[] = [];
  for (const [first, second] of pairs()) {
    if (symbols.length === VOCABULARY - 2) break;
    merges.push(`${first} ${second}`);
    symbols.push(first + second);
  }
  symbols.push(START_OF_TEXT, END_OF_TEXT);
  const special = {
    bos_token: START_OF_TEXT,
    eos_token: END_OF_TEXT,
    unk_token: END_OF_TEXT,
    pad_token: END_OF_TEXT,
  };
  const config = { ...special, model_max_length: MAX_TOKENS, tokenizer_class: 'CLIPTokenizer' };
  await writeFile(
    join(dir, 'vocab.json'),
    JSON.stringify(Object.fromEntries(symbols.map((symbol, id) => [symbol, id]))),
  );
  await writeFile(join(dir, 'merges.txt'), `#version: 0.2\n${merges.join('\n')}\n`);
  await writeFile(join(dir, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await writeFile(join(dir, 'special_tokens_map.json'), `${JSON.stringify(special, null, 2)}\n`);
}
