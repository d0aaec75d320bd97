/** @file Mutants of `weights/` with which the program does the same. */
import type { EquivalentMutants } from './entry.ts';

export const WEIGHTS: readonly EquivalentMutants[] = [
  {
    file: 'weights/formats/float16.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < out.length; i++) out[i] = halfFromBits(bits[i]);',
        'i < out.length -> i <= out.length',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 0],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 1],
      [
        'for (let i = 0; i < out.length; i++) bits[i] = halves[i] << 16;',
        'i < out.length -> i <= out.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/float16.ts',
    reason: 'at the border both formulas give the same',
    mutants: [
      ['const FLOAT16_OVERFLOW = 0x47800000;', '0x47800000 -> (0x47800000 + 1)', 0],
      ['const FLOAT16_MIN_NORMAL = 0x38800000;', '0x38800000 -> (0x38800000 + 1)', 0],
      [
        'if (magnitude >= FLOAT16_OVERFLOW) {',
        'magnitude >= FLOAT16_OVERFLOW -> magnitude > FLOAT16_OVERFLOW',
        0,
      ],
      [
        'if (magnitude >= FLOAT16_MIN_NORMAL) {',
        'magnitude >= FLOAT16_MIN_NORMAL -> magnitude > FLOAT16_MIN_NORMAL',
        0,
      ],
      [
        'else if (magnitude >= 0x400) bits[i] = sign',
        '((magnitude << 13) + 0x38000000); | magnitude >= 0x400 -> magnitude > 0x400',
        0,
      ],
      [
        'else if (magnitude >= 0x400) bits[i] = sign',
        '((magnitude << 13) + 0x38000000); | 0x400 -> (0x400 + 1)',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/float16.ts',
    reason: 'a 25th place holds less than half of the smallest number',
    mutants: [['if (shift > 24) return sign;', '24 -> (24 + 1)', 0]],
  },
  {
    file: 'weights/formats/gguf-blocks.ts',
    reason: 'what is written beyond a block, or read beyond the end of a typed array, goes nowhere',
    mutants: [
      ['for (let i = 0; i < 32; i++) {', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++) {', '32 -> (32 + 1)', 0],
      [
        'if (fifth !== undefined) value |= ((block[fifth + (i >> 3)] >> (i & 7)) & 1) << 4;',
        'fifth !== undefined -> true',
        0,
      ],
      ['for (let part = 0; part < 8; part++) {', 'part < 8 -> part <= 8', 0],
      ['for (let part = 0; part < 8; part++) {', '8 -> (8 + 1)', 0],
      ['for (let i = 0; i < 32; i++) {', 'i < 32 -> i <= 32', 1],
      ['for (let i = 0; i < 32; i++) {', '32 -> (32 + 1)', 1],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 0],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 0],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 1],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 1],
      ['for (let i = 0; i < 256; i++) {', 'i < 256 -> i <= 256', 2],
      ['for (let i = 0; i < 256; i++) {', '256 -> (256 + 1)', 2],
      ['for (let i = 0; i < 32; i++)', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++)', '32 -> (32 + 1)', 0],
      ['for (let part = 0; part < 8; part++) {', 'part < 8 -> part <= 8', 1],
      ['for (let part = 0; part < 8; part++) {', '8 -> (8 + 1)', 1],
      ['for (let i = 0; i < 32; i++) out[i] = scale * signed(block[2 + i]);', 'i < 32 -> i <= 32', 0],
      ['for (let i = 0; i < 32; i++) out[i] = scale * signed(block[2 + i]);', '32 -> (32 + 1)', 0],
      ['for (let i = 0; i < count; i++) {', 'i < count -> i <= count', 0],
      [
        'decode(stored.subarray(i * bytes, (i + 1) * bytes), out.subarray(i * weights, (i + 1) * weights));',
        '1 -> (1 + 1)',
        0,
      ],
      [
        'decode(stored.subarray(i * bytes, (i + 1) * bytes), out.subarray(i * weights, (i + 1) * weights));',
        '1 -> (1 + 1)',
        1,
      ],
    ],
  },
  {
    file: 'weights/formats/gguf.ts',
    reason: 'the first read is of some size, and read on',
    mutants: [['for (let length = 1e6; ; length *= 4) {', '1e6 -> (1e6 + 1)', 0]],
  },
  {
    file: 'weights/formats/gguf.ts',
    reason: 'of metadata, texts and numbers are shown; truth values are only passed over',
    mutants: [
      [
        'return view.getUint8(this.take(1)) !== 0;',
        'view.getUint8(this.take(1)) !== 0 -> view.getUint8(this.take(1)) === 0',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/tensor-views.ts',
    reason: 'a write beyond the end of a typed array does nothing',
    mutants: [
      [
        'for (let i = 0; i < values.length; i++) values[i] *= factors[count === 1 ? 0 : Math.floor(i / row)];',
        'i < values.length -> i <= values.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/hub/file-names.ts',
    reason: 'no path begins with a slash: it would lead out of the folder, which is refused before',
    mutants: [
      [
        "for (let end = key.lastIndexOf('/'); end > 0; end = key.lastIndexOf('/', end - 1)) {",
        'end > 0 -> end >= 0',
        0,
      ],
    ],
  },
  {
    file: 'weights/open/lora-delta.ts',
    reason: 'a write beyond the end of a typed array does nothing, or is written again by what follows',
    mutants: [
      ['for (let row = 0; row < height; row++) {', 'row < height -> row <= height', 0],
      ['for (let i = 0; i < width; i++) target[i] += factor * line[i];', 'i < width -> i <= width', 0],
      [
        'for (let column = 0; column < width; column++) out[column * height + row] = values[row * width + column];',
        'column < width -> column <= width',
        0,
      ],
      ['for (let row = 0; row < outputs; row++) {', 'row < outputs -> row <= outputs', 0],
      ['for (let i = 0; i < out.length; i++) out[i] *= second[i];', 'i < out.length -> i <= out.length', 0],
      ['for (let row = 0; row < shape[0]; row++) {', 'row < shape[0] -> row <= shape[0]', 0],
      ['for (let column = 0; column < width; column++) {', 'column < width -> column <= width', 0],
      [
        'for (let i = 0; i < line; i++) out[at + i] = factor * big[lower * line + i];',
        'i < line -> i <= line',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 0],
      ['for (let i = 0; i < out.length; i++) out[i] -= old[i];', 'i < out.length -> i <= out.length', 0],
      [
        'for (let i = 0; i < out.length; i++) out[i] += direct * delta[i];',
        'i < out.length -> i <= out.length',
        0,
      ],
      ['for (let i = 0; i < out.length; i++) {', 'i < out.length -> i <= out.length', 1],
      [
        'for (let i = 0; i < out.length; i++) out[i] += factor * values[i];',
        'i < out.length -> i <= out.length',
        0,
      ],
      [
        'for (let i = 0; i < out.length; i++) out[i] += strength * (values[i] - out[i]);',
        'i < out.length -> i <= out.length',
        0,
      ],
    ],
  },
  {
    file: 'weights/open/lora-delta.ts',
    reason: 'only the first numbers of the longer part are used',
    mutants: [
      ['const target = out.subarray(row * width, (row + 1) * width);', '1 -> (1 + 1)', 0],
      ['const line = right.subarray(k * width, (k + 1) * width);', '1 -> (1 + 1)', 0],
    ],
  },
  {
    file: 'weights/open/open-clip-config.ts',
    reason: 'no number of a configuration is 1e-6 away from another one exactly',
    mutants: [
      [
        'wanted.every((one, i) => Math.abs(one - Number(value[i])) < 1e-6));',
        'Math.abs(one - Number(value[i])) < 1e-6 -> Math.abs(one - Number(value[i])) <= 1e-6',
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/tensor-views.ts',
    reason: 'of the copy only its type is looked at',
    mutants: [
      ['const out = values.slice(0, 0).constructor as new (length: number) => T;', '0 -> 1', 0],
      ['const out = values.slice(0, 0).constructor as new (length: number) => T;', '0 -> 1', 1],
    ],
  },
  {
    file: 'weights/hub/download.ts',
    reason: 'the text of null is no range either',
    mutants: [
      [
        "const range = /^bytes (\\d+)-(\\d+)\\/(\\d+|\\*)$/.exec(headers.get('content-range') ?? '');",
        "headers.get('content-range') ?? '' -> headers.get('content-range')",
        0,
      ],
    ],
  },
  {
    file: 'weights/hub/lock.ts',
    reason: 'no state is empty, so the first one sets it to 0',
    mutants: [['let silent = 0;', '0 -> 1', 0]],
  },
  {
    file: 'weights/names/infer-config.ts',
    reason:
      'a tower has a position for each patch of a square and one more, of which the root is rounded to the side',
    mutants: [['image_size: patch * Math.round(Math.sqrt(positions - 1)),', '1 -> 0', 0]],
  },
  {
    file: 'weights/formats/leftovers.ts',
    reason: 'a character has a code',
    mutants: [
      [
        'const code = character.codePointAt(0) ?? 0;',
        'character.codePointAt(0) ?? 0 -> character.codePointAt(0)',
        0,
      ],
      ['const code = character.codePointAt(0) ?? 0;', '0 -> 1', 1],
    ],
  },
  {
    file: 'weights/formats/write-safetensors.ts',
    reason: 'of what a comparison gives only the sign counts',
    mutants: [
      [
        'header.__metadata__ = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));',
        '1 -> (1 + 1)',
        0,
      ],
      [
        'header.__metadata__ = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));',
        '1 -> (1 + 1)',
        1,
      ],
    ],
  },
  {
    file: 'weights/hub/retries.ts',
    reason: 'the text of undefined is no number and no date either',
    mutants: [
      [
        "const text = headers.get('retry-after')?.trim() ?? '';",
        "headers.get('retry-after')?.trim() ?? '' -> headers.get('retry-after')?.trim()",
        0,
      ],
    ],
  },
  {
    file: 'weights/formats/write-safetensors.ts',
    reason: 'no two keys are the same',
    mutants: [
      [
        'header.__metadata__ = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));',
        'a < b -> a <= b',
        0,
      ],
    ],
  },
];
