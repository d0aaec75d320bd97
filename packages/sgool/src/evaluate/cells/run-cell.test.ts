import { describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { decodeImage } from '../../image/read-image.ts';
import { decodeVideo } from '../../image/video/read-video.ts';
import { mean } from '../../numbers.ts';
import { overFrames } from '../scores/over-frames.ts';
import { bytesSha256 } from '../scores/weights-hash.ts';
import { cellRecordSchema } from './cell-record.ts';
import { failedRecord, mayRetry } from './failure.ts';
import { type PlannedCell, planCells } from './plan.ts';
import { runCell } from './run-cell.ts';
import { scoreImage, withMissingScores, withoutFailedScores } from './score-image.ts';
import { fakeManifest, fakeRunner, fakeScorer, redness } from './testing.ts';

const plan = planCells(fakeManifest({ seeds: 2 }));
const cellOf = (method: string, prompt = '1', seed = 0) => {
  const found = plan.find((one) => one.label === method && one.prompt === prompt && one.seed === seed);
  return found as PlannedCell;
};
const readings = fakeManifest().suites[0].prompts[0].readings;

describe('a cell of clips', () => {
  const least = overFrames(fakeScorer('judge', undefined, { ofIterates: true }));
  const runner = fakeRunner({ scorers: [least], frames: 3 });

  it('keeps all frames in an animated PNG, with the boxes of each, and is scored by all of them', async () => {
    const { record, png } = await runCell(runner, { ...cellOf('sgool'), readings });
    const { frames, fps } = await decodeVideo(png, 'the clip');
    expect([frames.length, fps]).toEqual([3, 12]);
    const reds = frames.map(redness);
    expect(record.scores.judge).toBeCloseTo(mean(reds), 12);
    expect(record.scores['judge:least']).toBe(Math.min(...reds));
    expect(record.clip).toMatchObject({ frames: 3, fps: 12 });
    expect(record.clip?.regions.map((boxes) => boxes.length)).toEqual([1, 1, 1]);
    expect(record.clip?.regions[1]).toEqual(record.regions);
    // The same box in every frame.
    expect(record.clip?.jitter).toBe(0);
    expect(cellRecordSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
    expect(record.curve?.[2].scores.judge).toBe(record.scores.judge);
    expect(record.image.sha256).toBe(bytesSha256(png));
  });

  it('gets later scores from its frames and their boxes', async () => {
    const { record, png } = await runCell(runner, cellOf('sgool'));
    const { frames } = await decodeVideo(png, 'the clip');
    const later = fakeScorer('later', ({ image, regions, clip }) => ({
      later: Number(
        image === frames[1] && regions === record.regions && clip?.regions === record.clip?.regions,
      ),
    }));
    const added = await withMissingScores(record, [later], { frames, prompt: { text: '' } });
    expect(added.scores.later).toBe(1);
  });
});

describe('a cell', () => {
  it('keeps the best image with its scores, its cost without compiling, and its iteration', async () => {
    const { record, png } = await runCell(fakeRunner(), cellOf('sgool'));
    const image = await decodeImage(png, 'the image');
    expect(record).toMatchObject({
      status: 'done',
      iteration: 2,
      iterations: 3,
      image: { width: 16, height: 16 },
      cost: { forward: 40, pullback: 15, flops: 4000, seconds: 4 },
      scores: { fake: redness(image) },
      machine: 'fake',
    });
    expect(cellRecordSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
    expect(record.regions).toHaveLength(1);
  });

  it('has the scores of each iterate that the method computed, as the tables have them, and the judge of known truth', async () => {
    const judge = fakeScorer('judge', undefined, { ofIterates: true });
    const runner = fakeRunner({ scorers: [fakeScorer('slow'), judge] });
    const { record } = await runCell(runner, { ...cellOf('sgool'), readings });
    expect(record.curve?.map(({ iteration, scores }) => [iteration, scores.clip_a, scores.clip_b])).toEqual([
      [0, 0, 10],
      [1, 21, 10],
      [2, 22, 10],
      [3, 23, 10],
    ]);
    expect(record.curve?.[2].scores.judge).toBe(record.scores.judge);
    expect(record.curve?.[1].scores.judge).not.toBe(record.scores.judge);
    expect(record.curve?.[0].scores).not.toHaveProperty('slow');
    const unknown = await runCell(runner, cellOf('sgool'));
    expect(unknown.record.curve?.[0].scores).not.toHaveProperty('judge');
    expect((await runCell(runner, cellOf('sd'))).record).not.toHaveProperty('curve');
  });

  it('has the hash of its starting noise: the same for all methods of a prompt and seed, another for another seed', async () => {
    const noise = async (method: string, seed: number) =>
      (await runCell(fakeRunner(), cellOf(method, '1', seed))).record.noise;
    expect(await noise('sgool', 0)).toBe(await noise('sd', 0));
    expect(await noise('sd', 1)).not.toBe(await noise('sd', 0));
  });

  it('forgets what networks gave for earlier cells, so that its cost does not depend on them', async () => {
    const runner = fakeRunner();
    let forgotten = 0;
    const meter = { ...runner.pipeline.meter, forgetResults: () => void forgotten++ };
    await runCell({ ...runner, pipeline: { ...runner.pipeline, meter } }, cellOf('sd'));
    expect(forgotten).toBe(1);
  });

  it('is stopped by its signal, and throws what the method throws', async () => {
    const controller = new AbortController();
    const stopping = fakeRunner({
      before: (_, __, i) => void (i === 1 && controller.abort(new Error('stopped'))),
    });
    await expect(runCell(stopping, cellOf('sgool'), { signal: controller.signal })).rejects.toThrow(
      'stopped',
    );
    const failing = fakeRunner({
      before: () => {
        throw new UserError('unet: not finite');
      },
    });
    await expect(runCell(failing, cellOf('sd'))).rejects.toThrow('unet: not finite');
    const { cell } = cellOf('sd');
    await expect(
      runCell(fakeRunner(), { id: 'a'.repeat(64), cell: { ...cell, method: 'none' } }),
    ).rejects.toThrow('cell aaaaaaaaaaaa: there is no method none');
  });
});

const fit = (truncated: boolean) => ({ truncated, kept: 2, lost: Number(truncated), unknown: [] });

describe('scores', () => {
  const scored = {
    image: { width: 1, height: 1, data: Uint8Array.of(255, 0, 0) },
    prompt: { text: 'x' },
    regions: [],
  };

  it('one that fails, is not finite or says nothing is null with a note, and the others go on', async () => {
    const broken = fakeScorer('broken', () => {
      throw new Error('the device\n  is gone');
    });
    const result = await scoreImage(
      [
        broken,
        fakeScorer('nan', () => ({ nan: Number.NaN })),
        fakeScorer('silent', () => ({})),
        fakeScorer('none', () => ({ none: null })),
        fakeScorer('fine'),
      ],
      scored,
    );
    expect(result.scores).toEqual({ broken: null, nan: null, silent: null, none: null, fine: 1 });
    expect(result.notes).toEqual(['broken: Error: the device is gone', 'nan: is NaN, which is not a score']);
    expect(result).not.toHaveProperty('truncated');
  });

  it('names those that read only a part of the prompt, and keeps features exactly', async () => {
    const features = async () => ({ net: Float32Array.of(0.25, -3) });
    const long = fakeScorer('long', undefined, {
      fits: () => ({ long: fit(true), short: fit(false) }),
      features,
    });
    const result = await scoreImage([long, fakeScorer('short')], scored);
    expect(result.truncated).toEqual(['long']);
    const bytes = Buffer.from(result.features?.net ?? '', 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.25, -3]);
  });

  it('are added to a record that lacks them, and what is there stays', async () => {
    const { record } = await runCell(fakeRunner(), cellOf('sd'));
    let calls = 0;
    const old = fakeScorer('fake', () => ({ fake: ++calls }));
    const later = fakeScorer('later', () => ({ later: 7 }), { fits: () => ({ later: fit(true) }) });
    const kept = { frames: [scored.image], prompt: scored.prompt };
    const added = await withMissingScores(record, [old, later], kept);
    expect(added.scores).toEqual({ ...record.scores, later: 7 });
    expect(added.truncated).toEqual(['later']);
    expect(calls).toBe(0);
    expect(added.image).toEqual(record.image);
    expect(await withMissingScores(added, [old, later], kept)).toBe(added);
  });

  it('that could not be given are lacking again where they are to be tried again', async () => {
    const runner = fakeRunner({
      scorers: [fakeScorer('fake'), fakeScorer('nan', () => ({ nan: Number.NaN }))],
    });
    const { record } = await runCell(runner, cellOf('sd'));
    expect(record.notes).toHaveLength(1);
    const again = withoutFailedScores(record);
    expect(again.scores).toEqual({ fake: record.scores.fake });
    expect(again).not.toHaveProperty('notes');
    expect(withoutFailedScores(again)).toEqual(again);
  });
});

describe('a cell that failed', () => {
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  it.each([
    ['settings that are wrong', new UserError('steps: must be 1 to 1000'), false],
    ['values that are not finite', new UserError('unet: the noise prediction is not finite'), false],
    ['too little memory', new Error('std::bad_alloc'), false],
    ['too little memory for an array', new RangeError('Array buffer allocation failed'), false],
    ['too little memory on a device', new Error('CUDA error: out of memory'), false],
    ['a file system that refused', new UserError('cannot write x: no space left', { cause: full }), true],
    ['anything unexpected', new Error('the device was lost'), true],
    ['what is no error', 'text', true],
  ])('%s', (_, error, retry) => {
    expect(mayRetry(error)).toBe(retry);
  });

  it('has its reason in one line, and how often it failed', () => {
    const more = { attempts: 3, machine: 'm', now: new Date(0) };
    expect(failedRecord(cellOf('sd'), new UserError('a\n  b'), more)).toMatchObject({
      status: 'failed',
      error: 'a b',
      retry: false,
      attempts: 3,
      finished: '1970-01-01T00:00:00.000Z',
    });
  });
});
