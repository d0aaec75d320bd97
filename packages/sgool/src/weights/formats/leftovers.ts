/**
 * @file What a file is that holds no weights, by its first bytes: what downloads leave behind, and formats of other programs.
 *
 * Reference: github.com/git-lfs/git-lfs, docs/spec.md; the magic numbers of each format
 */
import { places } from '#platform';
import { UserError } from '../../errors.ts';

/** How many bytes from the start are looked at. */
export const LEFTOVER_BYTES = 4096;

const AGAIN = 'download the file itself again';

/** Formats that begin with fixed bytes. */
const MAGIC: readonly (readonly [start: string, what: string, works: string])[] = [
  ['\x89HDF\r\n\x1a\n', 'an HDF5 file (Keras, .h5)', 'use the .safetensors file of the model'],
  ['\x89PNG\r\n', 'a PNG image', 'give a file of weights'],
  ['\xff\xd8\xff', 'a JPEG image', 'give a file of weights'],
  ['RIFF', 'an image or sound (RIFF)', 'give a file of weights'],
  ['\x1f\x8b', 'a gzip archive', 'unpack it and give the file inside'],
  ['7z\xbc\xaf\x27\x1c', 'a 7-Zip archive', 'unpack it and give the file inside'],
  ['Rar!\x1a\x07', 'a RAR archive', 'unpack it and give the file inside'],
  ['\x28\xb5\x2f\xfd', 'a Zstandard archive', 'unpack it and give the file inside'],
  ['BZh', 'a bzip2 archive', 'unpack it and give the file inside'],
  ['\xfd7zXZ', 'an xz archive', 'unpack it and give the file inside'],
  ['GGUF', 'a GGUF file', 'only places for weights of models read it'],
  ['lmgg', 'a file of old GGML', 'use a GGUF or .safetensors file'],
  ['tjgg', 'a file of old GGML', 'use a GGUF or .safetensors file'],
  ['fmgg', 'a file of old GGML', 'use a GGUF or .safetensors file'],
  ['\x93NUMPY', 'a NumPy array', 'use the .safetensors file of the model'],
  ['%PDF', 'a PDF document', 'give a file of weights'],
];

interface Finding {
  readonly what: string;
  readonly works: string;
}

/** A piece of foreign text for a message of one line. */
function piece(text: string): string {
  const line = text.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ').trim();
  return JSON.stringify(line.length > 80 ? `${line.slice(0, 77)}...` : line);
}

/** The text that the bytes are, or undefined where they are none. */
function textOf(bytes: Uint8Array): string | undefined {
  // The last character may be cut off.
  const text = new TextDecoder('utf-8').decode(bytes).replace(/\ufffd{1,3}$/, '');
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0xfffd || (code < 0x20 && !'\t\n\r\f'.includes(character)) || code === 0x7f)
      return undefined;
  }
  return text;
}

function fromJson(text: string, name: string): Finding {
  const [, error] = /"(?:error|message|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text) ?? [];
  if (/"weight_map"\s*:/.test(text)) {
    return { what: 'an index of shards', works: 'give the folder that it lies in' };
  }
  if (
    name === 'model_index.json' ||
    /"_diffusers_version"|"model_type"|"architectures"|"_class_name"/.test(text)
  ) {
    return { what: 'a configuration, not weights', works: 'give the folder that it lies in' };
  }
  if (error !== undefined) {
    return {
      what: `an error message of a server (${piece(error)}), not weights`,
      works: `log in or accept the terms there, then ${AGAIN}`,
    };
  }
  return { what: 'JSON text, not weights', works: 'give a .safetensors, .ckpt, .pt, .bin or .gguf file' };
}

function fromText(text: string, size: number, name: string): Finding {
  const start = text.trimStart();
  if (start.startsWith('version https://git-lfs.github.com/spec/')) {
    const [, bytes] = /^size (\d+)/m.exec(start) ?? [];
    const stands = bytes === undefined ? '' : ` (${size} bytes that stand for ${bytes})`;
    return {
      what: `a Git LFS pointer${stands}, not weights`,
      works: 'run git lfs pull in its repository, or download the file itself',
    };
  }
  if (/^# xet version/.test(start)) {
    return { what: 'a Xet pointer, not weights', works: AGAIN };
  }
  if (/^<(!doctype\s+html|html|head|body|!--)/i.test(start)) {
    const [, title] = /<title[^>]*>([^<]*)/i.exec(start) ?? [];
    return {
      what: `a web page${title === undefined ? '' : ` (${piece(title)})`}, not weights`,
      works: `log in or accept the terms there, then ${AGAIN}`,
    };
  }
  if (start.startsWith('<')) {
    const [, code] = /<(?:Code|Message)>([^<]*)/.exec(start) ?? [];
    return {
      what: `an XML message of a server${code === undefined ? '' : ` (${piece(code)})`}, not weights`,
      works: AGAIN,
    };
  }
  if (start.startsWith('{') || start.startsWith('[')) return fromJson(start, name);
  if (start === '') return { what: 'nothing but white space', works: AGAIN };
  return { what: `a text (${piece(start)}), not weights`, works: AGAIN };
}

/** An ONNX file begins with its version (field 1) and the name of its producer (field 2). */
function looksLikeOnnx([key, version, producer, , , , , last]: Uint8Array): boolean {
  return key === 0x08 && version < 0x20 && producer === 0x12 && last !== 0;
}

function finding(first: Uint8Array, size: number, path: string): Finding | undefined {
  const name = places.basename(path);
  if (size === 0) return { what: 'the file is empty', works: AGAIN };
  const start = String.fromCharCode(...first.subarray(0, 16));
  const known = MAGIC.find(([magic]) => start.startsWith(magic));
  if (known !== undefined) return { what: known[1], works: known[2] };
  if (first.length >= 8 && looksLikeOnnx(first)) {
    return { what: 'an ONNX file', works: 'use the .safetensors file of the model' };
  }
  if (first.length >= 64 && first.every((byte) => byte === 0)) {
    return {
      what: `nothing but zeros in its first ${first.length} bytes; a download was interrupted`,
      works: AGAIN,
    };
  }
  if (/\.msgpack$/i.test(name)) {
    return { what: 'weights of Flax (.msgpack)', works: 'use the .safetensors file of the model' };
  }
  const text = textOf(first);
  return text === undefined ? undefined : fromText(text, size, name);
}

/**
 * Refuses a file that holds no weights.
 *
 * @param first its first bytes, up to `LEFTOVER_BYTES`
 * @throws UserError that says what it is and what would work
 */
export function refuseLeftover(first: Uint8Array, size: number, path: string): void {
  const found = finding(first, size, path);
  if (found !== undefined) throw new UserError(`${path}: ${found.what}; ${found.works}`);
}
