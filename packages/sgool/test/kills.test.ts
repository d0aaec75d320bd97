/** @file kill -9 at a few random moments; `npm run test:kills` does the same at many. */
import { Generator } from 'sgool';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { KILLED, killed, undisturbed } from './kills.ts';
import { describeOnToybox, temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 300_000 });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

describeOnToybox('a run that is killed four times', () => {
  it('ends with the bytes of one that nothing happens to', async () => {
    const [words] = KILLED;
    const whole = await undisturbed(words, folder.dir);
    const seed = Date.now() % 1e6;
    const shares = new Generator(seed).rand([4]);
    const moments = Array.from(shares, (share) => Math.round((0.4 + 0.5 * share) * whole.milliseconds));
    expect(await killed(words, moments, folder.dir), `seed ${seed}`).toEqual(whole.content);
  });
});
