import { compile, trace, matmul, transposeLast, reshape } from '@sgool/autodiff';
import { clip, clipConfig, CLIP_MEAN, CLIP_STD } from 'sgool/networks';
import { clipStage } from './stages/clip.ts';
import { CLIP_A, clipModelConfig } from './stages/configs.ts';
import { toyboxTokenizer } from './stages/tokenizer.ts';
import { inspectStage } from './train/trainer.ts';
import { loadCheckpoint } from './train/checkpoint.ts';
import { constantWeights } from './train/export.ts';
import { HELD_OUT_SEED } from './train/scenes.ts';
import { createRng, describe, hardNegatives, renderScene, sceneFromSeed, KINDS, COLOURS, RELATIONS } from './world/index.ts';
const t = toyboxTokenizer();
const { layout } = inspectStage(clipStage({ name: 'clip', component: 'clip', size: CLIP_A, seed: 21, steps: 10 }));
const state = (await loadCheckpoint('/work/runs/clip.checkpoint.safetensors', layout))!;
const w = constantWeights(layout.views(state.average)); const config = clipConfig(clipModelConfig(t.vocabSize, CLIP_A));
const program = await compile(trace({ image: { shape: [1, 3, 128, 128] }, ids: { shape: [64, 32], dtype: 'int32' }, ends: { shape: [64], dtype: 'int32' } }, (i: any) => { const n = clip(config, w); return { l: reshape(matmul(n.image(i.image).embedding, transposeLast(n.text(i.ids, i.ends).embedding)), [-1]) }; }));
const words = createRng(5); const tally: Record<string, number> = {}; const by: Record<string, [number, number]> = {};
let asked = 0;
for (let i = 0; asked < 200; i++) {
  const scene = sceneFromSeed(HELD_OUT_SEED + 500_000 + i); const c = describe(scene, words); const wrong = hardNegatives(scene, c, words, 63); if (wrong.length < 63) continue; asked++;
  const bytes = renderScene(scene, 128); const image = new Float32Array(3 * 16384);
  for (let p = 0; p < 16384; p++) for (let k = 0; k < 3; k++) image[k * 16384 + p] = (bytes[3 * p + k]! / 255 - CLIP_MEAN[k]!) / CLIP_STD[k]!;
  const texts = [c.text, ...wrong]; const e = texts.map(t.encode);
  const { l } = await program.run({ image, ids: Int32Array.from(e.flatMap((x) => [...x.ids])), ends: Int32Array.from(e, (x) => x.length - 1) });
  const logits = l as Float32Array; let best = 0; logits.forEach((v, k) => { if (v > logits[best]!) best = k; });
  const key = `${c.claims.things.length} things${c.claims.relation ? ' rel' : ''}`; (by[key] ??= [0, 0])[1]++; 
  if (best === 0) { by[key]![0]++; tally.right = (tally.right ?? 0) + 1; continue; }
  const A = texts[0]!.split(' '), B = texts[best]!.split(' ');
  const set = (a: string[], names: readonly string[]) => a.filter((x) => names.includes(x.replace(',', ''))).map((x)=>x.replace(',',''));
  const kinds = set(A, KINDS).join() !== set(B, KINDS).join(), cols = set(A, COLOURS).join() !== set(B, COLOURS).join();
  const sameSetK = set(A, KINDS).sort().join() === set(B, KINDS).sort().join(), sameSetC = set(A, COLOURS).sort().join() === set(B, COLOURS).sort().join();
  const what = kinds && cols ? 'kind+colour' + (sameSetK && sameSetC ? ' (exchanged things)' : '') : kinds ? (sameSetK ? 'kinds exchanged' : 'kind') : cols ? (sameSetC ? 'colours exchanged' : 'colour') : 'rest (relation, size, pattern, place)';
  tally[what] = (tally[what] ?? 0) + 1;
}
console.log(state.step, tally, by);
