/** Scorers that PyTorch exported (fixtures/make/ops_onnx.py): same score and same gradient to the image, to 1e-5. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile, grad, importOnnx, sum, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { expectClose, stored } from '../testing/fixtures.ts';
import { writeModel } from '../testing/onnx-model.ts';

const scorer = (name: string) =>
  readFile(fileURLToPath(new URL(`../../../../fixtures/data/ops-scorer-${name}.onnx`, import.meta.url)));

describe.each(['script', 'export'])('models of the %s exporter', (exporter) => {
  it.each(['convolutional', 'transformer', 'photometric'])(
    '%s: score and gradient equal PyTorch',
    async (name) => {
      const model = importOnnx(await scorer(`${name}-${exporter}`));
      expect(model.inputs).toEqual({ image: { dtype: 'float32', shape: [2, 3, 16, 16] } });
      expect(model.outputs).toEqual(['score']);
      const graph = trace(model.inputs, ({ image }) => {
        const score = model({ image: image }).score;
        return { score, gradient: grad(sum(score), [image])[0] };
      });
      const program = await compile(graph, { threads: 1 });
      const results = await program.run({ image: stored('image', 'ops-scorers').data });
      const want = (part: string) => stored(`${name}/${part}`, 'ops-scorers').data as Float32Array;
      expectClose(results.score, want('score'), 'score');
      expectClose(results.gradient, want('grad'), 'gradient');
    },
  );
});

describe('what cannot be imported', () => {
  const applied = (bytes: Uint8Array) => () => {
    const model = importOnnx(bytes);
    trace(model.inputs, (given) => model(given));
  };
  const pool = (ints: Record<string, number[]>) =>
    writeModel({ nodes: [{ op: 'MaxPool', inputs: ['x'], ints }] });

  it('operators without a rule are named all at once', () => {
    const bytes = writeModel({
      nodes: [
        { op: 'TopK', inputs: ['x'] },
        { op: 'Loop', inputs: ['t0'] },
      ],
    });
    expect(() => importOnnx(bytes)).toThrow(
      /^importOnnx: no gradient rule for Loop, TopK; the importable operators are Add, /,
    );
  });

  it.each<[what: string, bytes: Uint8Array, message: string]>([
    ['no model', new TextEncoder().encode('not a model'), 'importOnnx: this is no ONNX model'],
    ['an empty file', new Uint8Array(), 'importOnnx: this is no ONNX model (it holds no graph'],
    [
      'a window that is not square',
      pool({ kernel_shape: [2, 3] }),
      'importOnnx: MaxPool "node 0": kernel_shape [2,3] are not equal',
    ],
    [
      'padding on one side',
      pool({ kernel_shape: [2, 2], pads: [0, 0, 1, 1] }),
      'importOnnx: MaxPool "node 0": pads [0,0,1,1] are not equal',
    ],
    [
      'a shape that depends on numbers',
      writeModel({ nodes: [{ op: 'Reshape', inputs: ['x', 'x'] }] }),
      'importOnnx: Reshape "node 0": operand 1 float32[1,2,4,4] depends on the inputs\' numbers',
    ],
    [
      'a name that nothing gives',
      writeModel({ nodes: [{ op: 'Relu', inputs: ['z'] }] }),
      'importOnnx: Relu reads "z", which no node before it gives',
    ],
    ['a missing operand', writeModel({ nodes: [{ op: 'Add', inputs: ['x'] }] }), 'operand 1 is missing'],
    [
      'doubles',
      writeModel({ nodes: [{ op: 'Relu', inputs: ['x'] }], type: 11 }),
      'importOnnx: input "x" has the element type 11 of onnx.TensorProto',
    ],
  ])('%s', (_, bytes, message) => {
    expect(applied(bytes)).toThrow(message);
  });

  it('open lengths come from options, or an error says so', () => {
    const bytes = writeModel({ nodes: [{ op: 'Relu', inputs: ['x'] }], shape: ['batch', 3] });
    expect(() => importOnnx(bytes)).toThrow(
      'importOnnx: input "x" is [batch,3] in the model, got no shape for it; give all its lengths in options.shapes',
    );
    expect(() => importOnnx(bytes, { shapes: { x: [2, 4] } })).toThrow(
      'is [batch,3] in the model, got [2,4]',
    );
    expect(importOnnx(bytes, { shapes: { x: [2, 3] } }).inputs).toEqual({
      x: { dtype: 'float32', shape: [2, 3] },
    });
  });

  it('inputs of another shape are refused', () => {
    const model = importOnnx(writeModel({ nodes: [{ op: 'Relu', inputs: ['x'] }] }));
    expect(() => trace({ x: { shape: [2] } }, ({ x }) => model({ x }))).toThrow(
      'importOnnx: input "x" must be float32[1,2,4,4], got float32[2]',
    );
  });
});
