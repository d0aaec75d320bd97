/**
 * @file Makes a clip, changes it under another text, and writes both as files.
 *
 * npx tsx examples/13-clips.ts
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeApng, generate, loadPipeline, readVideo, refine, videoEncoder } from 'sgool';

// Eight frames are made together: motion modules mix them.
const pipeline = await loadPipeline('toybox', { motion: 'toybox-motion' });
const prompt = 'a red cat and a blue boat';
const { best } = await generate({ prompt, method: 'sd', steps: 6, frames: 4, seed: 3 }, { pipeline });
const { frames = [], fps = 8, overFrames } = best;
console.log(`${frames.length} frames, ${fps} in a second; they differ by ${overFrames?.motion.toFixed(3)}`);

const folder = await mkdtemp(join(tmpdir(), 'sgool-clips-'));
const path = join(folder, 'clip.png');
await writeFile(path, encodeApng({ frames, fps }));

// A clip is refined as a picture is: inverted under the text that it shows, and sampled again under another.
const image = await readVideo(path);
const changed = await refine(
  { image, sourcePrompt: prompt, prompt: 'a yellow cat and a blue boat', edit: 'p2p', steps: 6, seed: 0 },
  { pipeline },
);
await pipeline.dispose();
const after = changed.best.frames ?? [];
const webp = await (await videoEncoder('webp'))({ frames: after, fps });
console.log(`${after.length} frames again, ${webp.length} bytes as WebP`);
await rm(folder, { recursive: true });
assert(after.length === frames.length, 'every frame is refined');
assert(
  after.every(({ data }, f) => data.some((value, i) => value !== frames[f].data[i])),
  'and changed',
);
