import { readdir, readFile } from 'node:fs/promises';
import { add, log, matmul, mul, relu, trace, transposeLast } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { NotFiniteError } from '../errors.ts';
import { allFinite, compileNetwork, squaresFinite } from './network-program.ts';

const graph = () =>
  trace({ latent: { shape: [4] }, timestep: { shape: [1] } }, ({ latent, timestep }) => ({
    prediction: add(mul(latent, 1e30), mul(timestep, 0)),
  }));
const timestep = Float32Array.of(981);

describe('a compiled network', () => {
  it('gives finite numbers', async () => {
    const program = await compileNetwork('unet', graph());
    const { prediction } = await program.run({ latent: Float32Array.of(1, -2, 0, 1e8), timestep });
    expect(prediction).toEqual(Float32Array.of(1e30, -2e30, 0, 1e38));
    await program.dispose();
  });

  it.each([
    [[1, 2, 1e9, 3], 'Infinity, 1 of 4 numbers are not finite; its weights or its configuration are damaged'],
    [[1, -1e9, 1e9, 3], '-Infinity, 2 of 4'],
  ])('refuses to give others: %j', async (latent, message) => {
    const program = await compileNetwork('unet', graph());
    const run = program.run({ latent: Float32Array.from(latent), timestep });
    await expect(run).rejects.toBeInstanceOf(NotFiniteError);
    await expect(run).rejects.toThrow(`unet at timestep 981: its output prediction holds ${message}`);
    await program.dispose();
  });

  it.each([
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [1e30, '1.00e+30'],
    [-2e19, '-2.00e+19'],
  ])('refuses to take %d', async (value, shown) => {
    const program = await compileNetwork('decoder', graph());
    const run = program.run({ latent: Float32Array.of(1, value, 2, 3), timestep });
    await expect(run).rejects.toBeInstanceOf(NotFiniteError);
    await expect(run).rejects.toThrow(
      `decoder at timestep 981: its input latent holds ${shown}, too much for float32; a setting is far too large`,
    );
    await program.dispose();
  });

  it('takes all that float32 can square', () => {
    expect(squaresFinite(Float32Array.of(1.8e19, -1.8e19, 0, 1e-45))).toBe(true);
    expect(squaresFinite(Float32Array.of(0, 1.9e19))).toBe(false);
    expect(squaresFinite(Int32Array.of(2 ** 31 - 1))).toBe(true);
  });

  it('names what helps where float16 overflows', async () => {
    const product = trace(
      { latent: { shape: [1, 4] }, timestep: { shape: [1] } },
      ({ latent, timestep }) => ({
        prediction: add(matmul(latent, transposeLast(latent)), timestep),
      }),
    );
    const program = await compileNetwork('unet', product, { precision: 'float16' });
    const run = program.run({ latent: Float32Array.of(1, 2, 3e4, 4), timestep });
    await expect(run).rejects.toBeInstanceOf(NotFiniteError);
    await expect(run).rejects.toThrow(
      /^unet at timestep 981: float16: numbers beyond 65504 in prediction; take precision float32/,
    );
    await program.dispose();
  });

  it('is found wherever the number is', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let at = 0; at < 9; at++) {
        const values = new Float32Array(9).fill(3e38);
        expect(allFinite(values)).toBe(true);
        values[at] = bad;
        expect(allFinite(values)).toBe(false);
      }
    }
    expect(allFinite(Int32Array.of(1, 2))).toBe(true);
    expect(allFinite(new Float32Array())).toBe(true);
  });
});

/** All sources of the library that are not tests, by their path below `src`. */
async function sources(): Promise<Map<string, string>> {
  const root = new URL('../', import.meta.url);
  const names = await readdir(root, { recursive: true });
  const files = names.filter((name) => name.endsWith('.ts') && !/\.test\.ts$|testing/.test(name));
  const read = async (name: string) => [name, await readFile(new URL(name, root), 'utf8')] as const;
  return new Map(await Promise.all(files.map(read)));
}

/** The sources that import a name from @sgool/autodiff. */
async function importersOf(name: string): Promise<string[]> {
  const imports = /import (?:type )?\{([^}]*)\} from '@sgool\/autodiff'/g;
  const imported = (text: string) =>
    [...text.matchAll(imports)].flatMap(([, names]) => names.split(/[\s,]+/));
  return [...(await sources())]
    .flatMap(([path, text]) => (imported(text).includes(name) ? [path] : []))
    .sort();
}

describe('nothing goes round the check', () => {
  it('networks are compiled in one place; the other measures the machine', async () => {
    expect(await importersOf('compile')).toEqual(['runtime/machine-speed.ts', 'runtime/network-program.ts']);
  });

  it('networks that may turn NaN into zero have their weights checked', async () => {
    const hiding = [...(await importersOf('relu')), ...(await importersOf('maxPool2d'))];
    const folders = new Set(hiding.map((path) => path.split('/').slice(0, 2).join('/')));
    // Grad-CAM's last step is a ReLU by itself, which keeps NaN.
    expect([...folders].sort()).toEqual(['networks/saliency', 'networks/text', 'saliency/grad-cam.ts']);
    const all = await sources();
    expect(all.get('saliency/open-detector.ts')).toContain('{ checkNumbers: true }');
    // A T5 may have a ReLU, and CLIP's text encoder has none.
    expect(hiding.filter((path) => path.startsWith('networks/text'))).toEqual([
      'networks/text/t5-encoder.ts',
    ]);
    expect(all.get('models/text/t5-states.ts')).toContain('{ checkNumbers }');
  });

  it('a ReLU by itself keeps NaN', async () => {
    const program = await compileNetwork(
      'relu',
      trace({ x: { shape: [64] } }, ({ x }) => ({ y: relu(log(x)) })),
    );
    const x = new Float32Array(64).fill(1);
    x[33] = -1;
    await expect(program.run({ x })).rejects.toThrow('relu: its output y holds NaN, 1 of 64');
    await program.dispose();
  });
});
