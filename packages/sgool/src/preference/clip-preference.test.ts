import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../networks/testing.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { openClipFile } from '../weights/open/clip-file.ts';
import { openComponent } from '../weights/open/model-folder.ts';
import { type ClipScorerName, clipPreference } from './clip-preference.ts';
import { createScorer, type Scorer } from './scorer.ts';
import { PREFERENCE, type PreferenceCase, preferenceCases, readJson, TOKENIZER } from './testing.ts';

async function open(name: ClipScorerName, file: string): Promise<Scorer> {
  // Shapes do not determine the number of heads, and the tiny networks have no published size.
  const component =
    name === 'pickscore'
      ? await openComponent(PREFERENCE + file)
      : { ...(await openClipFile(PREFERENCE + file)), config: await readJson(`${name}.json`) };
  const programs = new ProgramCache({ device: 'cpu' });
  const model = clipPreference(name, component, await loadTokenizer(TOKENIZER), programs);
  return { ...createScorer(model, programs), dispose: () => programs.dispose() };
}

describe.each<[ClipScorerName, string]>([
  ['hps-v1', 'hpc.pth'],
  ['hps-v2', 'HPS_v2_compressed.pt'],
  ['pickscore', 'pickscore'],
])('%s', (name, file) => {
  let scorer: Scorer;
  let cases: PreferenceCase[];
  beforeAll(async () => {
    scorer = await open(name, file);
    cases = await preferenceCases(name);
  });
  afterAll(() => scorer.dispose());

  it("gives the authors' score of images of any shape", async () => {
    const size = Math.max(...cases.map(({ score }) => Math.abs(score)));
    for (const { image, prompt, score } of cases) {
      expect(Math.abs((await scorer.score(image, prompt)) - score) / size, prompt).toBeLessThan(1e-5);
    }
  });

  it('gives the gradient of the score with respect to the image', async () => {
    for (const { image, prompt, gradient } of cases) {
      const result = await scorer.gradient(image, prompt);
      expect(relativeError(result.gradient, gradient), prompt).toBeLessThan(1e-5);
    }
  });

  it('says how much of a prompt counts', () => {
    expect(scorer.fit('two yellow boats')).toEqual({ truncated: false, kept: 3, lost: 0, unknown: [] });
    const { truncated, kept, lost } = scorer.fit(cases[3].prompt);
    expect({ truncated, kept }).toEqual({ truncated: true, kept: 14 });
    expect(lost).toBeGreaterThan(0);
  });
});
