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
  ['<lora:lora-kohya:1:0.5>', /a LoRA has one weight, as in <lora:name:0\.8>/],
  ['<lora:lora-kohya:te=1>', /a LoRA has one weight/],
  ['<lora:../formats/lora-kohya>', /must not leave its folder/],
])('names what is not usable: %s', async (prompt, message) => {
  await expect(withPromptLoras({ loraDir }, { prompt })).rejects.toThrow(message);
});
