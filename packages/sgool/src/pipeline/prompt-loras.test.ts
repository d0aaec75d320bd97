import { expect, it } from 'vitest';
import { FIXTURES } from '../networks/testing.ts';
import { withPromptLoras } from './prompt-loras.ts';

const loraDir = `${FIXTURES}formats`;

it('finds the LoRAs that a prompt names, after those that were given', async () => {
  const given = { loraDir, loras: [{ path: 'own.safetensors' }] };
  const prompt = 'a <lora:lora-kohya:0.7> cat <lora:lora-old> <hypernet:x:1>';
  expect(await withPromptLoras(given, { prompt })).toEqual({
    loras: [
      { path: 'own.safetensors' },
      { path: `${loraDir}/lora-kohya.safetensors`, weight: 0.7 },
      { path: `${loraDir}/lora-old.bin` },
    ],
  });
});

it('reads no tags without a folder or in plain prompts', async () => {
  const prompt = 'a <lora:lora-kohya:0.7> cat';
  expect(await withPromptLoras({}, { prompt })).toEqual({});
  expect(await withPromptLoras({ loraDir }, { prompt, promptSyntax: 'plain' })).toEqual({});
});

it.each([
  ['<lora:none:1>', /<lora:none:1>: .*formats has no file none\.safetensors \(nor \.pt, \.ckpt, \.bin\)/],
  ['<lora:lora-kohya:1:0.5:0.2>', /too many weights; one, or two/],
  ['<lora:lora-kohya:>', /the weight of a LoRA is a number, got nothing/],
  ['<lora:lora-kohya:strong>', /the weight of a LoRA is a number, got strong/],
  ['<lora:lora-kohya:1:lbw=OUTX>', /unknown preset lbw=OUTX; choose one of NONE, ALL, INS/],
  ['<lora:lora-kohya:1:lbw=1,0,1>', /17 numbers \(BASE, IN01, IN02, \.\.\.\) or 26, got 3/],
  ['<lora:lora-kohya:1:lbw=1,1,1,1,1,1,1,1,1,1,1,1>', /got 12, which are for Stable Diffusion XL/],
  ['<lora:lora-kohya:1:lbw=R,0>', /lbw takes numbers, got R \(R, U and X are not supported\)/],
  ['<lora:lora-kohya:1:stop=10>', /stop= is not supported: a LoRA that ends on the way/],
  ['<lora:lora-kohya:1:start=10>', /start= is not supported/],
  ['<lora:lora-kohya:1:step=5-10>', /step= is not supported/],
  ['<lora:lora-kohya:1:lbwe=ATTNDEEPON>', /lbwe= is not supported/],
  ['<lora:lora-kohya:1:dyn=4>', /dyn= is not supported/],
  ['<lora:lora-kohya:1:foo=4>', /unknown foo=; te, unet and lbw/],
  ['<lora: :1>', /the name of the LoRA is missing/],
  ['<lora:../formats/lora-kohya>', /must not leave its folder/],
])('names what is not usable: %s', async (prompt, message) => {
  await expect(withPromptLoras({ loraDir }, { prompt })).rejects.toThrow(message);
});
