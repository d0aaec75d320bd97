/**
 * @file Scores an image with the model's CLIPs, and detects with Toybox's judge what it shows. The judge never guides.
 *
 * npx tsx examples/11-score-and-judge.ts
 */
import assert from 'node:assert/strict';
import { generate, loadPipeline } from 'sgool';
import { loadJudge } from 'sgool/evaluate';

const pipeline = await loadPipeline('toybox');
const judge = await loadJudge();
const { best } = await generate({ prompt: 'a red cat', method: 'sd', seed: 0 }, { pipeline });
const right = await pipeline.score(best.image, 'a red cat');
const wrong = await pipeline.score(best.image, 'a blue boat');
const [found] = await judge.detect(best.image.data);
await Promise.all([pipeline.dispose(), judge.dispose()]);

console.log(`CLIP A: ${right.A?.toFixed(1)} for "a red cat", ${wrong.A?.toFixed(1)} for "a blue boat"`);
console.log(`the judge sees a ${found.colour} ${found.kind} (${(100 * found.confidence).toFixed(0)}%)`);
assert((right.A ?? 0) > (wrong.A ?? 0), 'the right prompt must score higher');
assert.deepEqual([found.colour, found.kind], ['red', 'cat']);
