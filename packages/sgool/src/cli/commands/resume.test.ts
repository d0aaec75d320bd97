import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { createImage } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { markText, ownMark } from '../../platform/process-mark.ts';
import { thisProcess } from '../run/process-record.ts';
import { writeStateFile } from '../run/state-file.ts';
import { discImage, type FakeOptions, runOnFakes } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-resume-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(7)));
  await writeFile(join(cwd, 'white.png'), encodePng(createImage(32, 32, [255, 255, 255])));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], fake?: FakeOptions, input = encodePng(discImage(7))) =>
  runOnFakes(cwd, argv, { fake, input });
const SCORES = [20, 29, 21, 25, 30, 24];
const generate = ['generate', 'a red cat', '--seed', '5', '--iterations', '5', '--out', 'out'];

/** A process that has ended: its number is beyond those of Linux. */
const DEAD = { ...thisProcess(), mark: markText({ ...ownMark, pid: 2 ** 22 + 1 }) };
const ELSEWHERE = { ...thisProcess(), pid: 1, host: 'elsewhere', mark: '00000000-1-1' };

type Content = Record<string, unknown>;
const record = async (name = 'out/run.json'): Promise<Content> =>
  JSON.parse(await readFile(join(cwd, name), 'utf8'));
const edit = async (change: (content: Content) => unknown, name = 'out/run.json') =>
  writeFile(join(cwd, name), JSON.stringify(change(await record(name))));

/** Everything in a folder, without what differs between two equal runs: times, memory. */
async function filesIn(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(join(cwd, dir), { recursive: true })).sort()) {
    const bytes = await readFile(join(cwd, dir, name)).catch(() => undefined);
    if (bytes === undefined) continue;
    found[name] = name.endsWith('.json') ? untimed(bytes.toString()) : bytes.toString('base64');
  }
  return found;
}

const untimed = (json: string) =>
  JSON.stringify(
    JSON.parse(json, (key, value) => (['seconds', 'peakMemoryBytes', 'started'].includes(key) ? 0 : value)),
    null,
    1,
  );

/**
 * Runs a command until a moment in an iteration, and leaves in its folder what kill -9 would.
 *
 * @param until the number of images, over all runs of the command, after which it is killed
 */
async function kill(argv: readonly string[], until: number, out = 'out'): Promise<void> {
  let begun = 0;
  await new Promise<void>((resolve, reject) => {
    const before = () => {
      if (begun++ < until) return;
      resolve();
      // A computation that never ends.
      return new Promise<void>(() => {});
    };
    sgool(argv, { before, scores: SCORES }).then(
      ({ code, stderr }) => reject(new Error(`it ended with ${code} after ${begun} images: ${stderr}`)),
      reject,
    );
  });
  await cp(join(cwd, out), join(cwd, 'copy'), { recursive: true });
  await rm(join(cwd, out), { recursive: true });
  await cp(join(cwd, 'copy'), join(cwd, out), { recursive: true });
  await rm(join(cwd, 'copy'), { recursive: true });
  for (const name of await readdir(join(cwd, out), { recursive: true })) {
    if (/claim-\d+\.json$/.test(name)) {
      await edit(() => DEAD, join(out, name));
    }
    if (!/(^|\/)(run|summary)\.json$/.test(name)) continue;
    const file = join(out, name);
    if ((await record(file)).status !== 'running') continue;
    await edit((content) => ({ ...content, process: DEAD }), file);
  }
}

/** What a command leaves if nothing happens. */
async function whole(argv: readonly string[]) {
  expect((await sgool(argv, { scores: SCORES })).code).toBe(0);
  const files = await filesIn('out');
  await rm(join(cwd, 'out'), { recursive: true });
  return files;
}

describe('resume', () => {
  it.each<[string, readonly number[], readonly string[]]>([
    ['generate', [0, 2, 4], generate],
    ['best-of', [3], [...generate, '--method', 'best-of']],
    ['clip-guided', [0], ['generate', 'a red cat', '--seed', '5', '--method', 'clip-guided', '--out', 'out']],
    [
      'a seed beyond 2^53, all iterations kept',
      [2],
      [...generate.slice(0, 3), '18446744073709551615', ...generate.slice(4), '--save-iterations'],
    ],
    ['refine', [3], ['refine', 'disc.png', 'a cat', ...generate.slice(2), '--from', 'a disc']],
    [
      'target images, a text for CLIP, a later start',
      [2],
      [
        ...generate,
        '--target-image',
        'disc.png:0.5',
        '--target-image',
        'white.png',
        ...['--clip-prompt', 'a disc', '--optimise-from', '0.3'],
      ],
    ],
    [
      'image-to-image',
      [0, 2],
      [
        'refine',
        'disc.png',
        'a cat',
        ...generate.slice(2),
        '--edit',
        'sdedit',
        '--target-image',
        'white.png',
      ],
    ],
  ])('ends with the same files as if nothing had happened: %s', async (_, moments, argv) => {
    const expected = await whole(argv);
    for (const until of moments) {
      await kill(argv, until);
      const { code, stderr, stdout } = await sgool(['resume', 'out'], { scores: SCORES });
      expect([code, stderr.match(/going on after iteration \d+/)?.[0]], `killed at ${until}`).toEqual([
        0,
        until === 0 ? undefined : `going on after iteration ${until - 1}`,
      ]);
      expect(stdout).toBe(`${join('out', 'image.png')}\n`);
      expect(await filesIn('out')).toEqual(expected);
      await rm(join(cwd, 'out'), { recursive: true });
    }
  });

  it('reads the standard input again, which must hold the same', async () => {
    const argv = ['refine', '-', ...generate.slice(1)];
    const expected = await whole(argv);
    await kill(argv, 2);
    const other = await sgool(['resume', 'out'], { scores: SCORES }, encodePng(discImage(1)));
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/cannot go on: inputHashes is .* since the run began/),
    ]);
    expect((await sgool(['resume', 'out'], { scores: SCORES })).code).toBe(0);
    expect(await filesIn('out')).toEqual(expected);
  });

  it('does not mind what else lies in the folders of LoRAs and embeddings', async () => {
    for (const name of ['loras', 'words']) {
      await mkdir(join(cwd, name));
      await writeFile(join(cwd, name, 'first.safetensors'), 'x');
    }
    const argv = [...generate, '--lora-dir', join(cwd, 'loras'), '--embeddings-dir', join(cwd, 'words')];
    const expected = await whole(argv);
    await kill(argv, 2);
    await writeFile(join(cwd, 'loras/other.safetensors'), 'x');
    await writeFile(join(cwd, 'words/other.pt'), 'x');
    const { code, stderr } = await sgool(['resume', 'out'], { scores: SCORES });
    expect(code, stderr).toBe(0);
    expect(await filesIn('out')).toEqual(expected);
  });

  it.each([
    ['target image', 'inputHashes', ['--target-image', 'disc.png:2']],
    ['mask', 'inputHashes', ['--mask', 'disc.png']],
    ['autoencoder', 'the file .*disc.png', ['--vae', 'disc.png']],
  ])('is refused where the %s has changed', async (_, key, words) => {
    await kill([...generate, ...words], 2);
    await writeFile(join(cwd, 'disc.png'), encodePng(discImage(1)));
    const { code, stderr } = await sgool(['resume', 'out', '--quiet'], { scores: SCORES });
    expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toMatch(new RegExp(`cannot go on: ${key} (is|has)`));
  });

  it('does so after any number of ends, by Ctrl-C and by kill -9', async () => {
    const expected = await whole(generate);
    await kill(generate, 1);
    await kill(['resume', 'out'], 1);
    const failing = () => {
      throw new UserError('no space left on the disk');
    };
    expect((await sgool(['resume', 'out'], { before: failing, scores: SCORES })).code).toBe(1);
    expect(await record()).toMatchObject({ status: 'failed', resume: { cwd } });
    await kill(['resume', 'out'], 2);
    expect((await sgool(['resume', 'out/run.json', '--quiet'], { scores: SCORES })).code).toBe(0);
    expect(await filesIn('out')).toEqual(expected);
  });

  it('removes the state of a finished run, or keeps it', async () => {
    await sgool(generate);
    expect(await readdir(join(cwd, 'out'))).not.toContain('state');
    expect(await record()).not.toHaveProperty('resume');
    expect(await record()).not.toHaveProperty('process');
    await sgool([...generate, '--keep-state', '--out', 'kept']);
    expect(await readdir(join(cwd, 'kept/state'))).toContain('run.safetensors');
  });

  it('says of a finished run that it is finished, and gives its image', async () => {
    await sgool(generate);
    const { code, stdout, stderr } = await sgool(['resume', 'out']);
    expect([code, stdout]).toEqual([0, `${join('out', 'image.png')}\n`]);
    expect(stderr).toBe('sgool: out is finished, there is nothing to go on with\n');
    expect(JSON.parse((await sgool(['resume', 'out', '--json'])).stdout)).toMatchObject({ status: 'done' });
  });

  it('names the command after a stop', async () => {
    const { stderr } = await sgool(generate, {
      before: (iteration) => {
        if (iteration === 2) throw new UserError('broken');
      },
    });
    expect(stderr).toContain('sgool: broken; the best image so far (iteration 1) is in out');
    expect((await sgool(['runs', '.'])).stdout).toContain('sgool resume out');
  });

  const ours = thisProcess();
  it.each<[string, (content: Content) => unknown, RegExp]>([
    [
      'still runs',
      (content) => ({ ...content, process: ours }),
      /^sgool: .*out: still runs, as process \d+; stop/,
    ],
    [
      'runs on another computer',
      (content) => ({ ...content, process: ELSEWHERE }),
      /runs as process 1 on the computer elsewhere, which cannot be asked from here.*--force\n$/,
    ],
    [
      'was begun by another version',
      (content) => ({ ...content, versions: { sgool: '0.0.1' } }),
      /^sgool: out: was begun by sgool 0\.0\.1, this is .*sgool repeat out\/run\.json\n$/,
    ],
    [
      'has other settings',
      (content) => ({ ...content, resume: { cwd, values: { seed: 5, iterations: 5, lambda: 3 } } }),
      /^sgool: out: cannot go on: lambda is 3, it was 1 since the run began.*sgool repeat\n$/,
    ],
    [
      'has another seed',
      (content) => ({ ...content, resume: { cwd, values: { seed: 6, iterations: 5 } } }),
      /^sgool: out: cannot go on: seed is 6, it was 5/,
    ],
    [
      'has a value that is none',
      (content) => ({ ...content, resume: { cwd, values: { steps: 'many' } } }),
      /^sgool: out\/run\.json: steps: not usable, got many/,
    ],
    [
      'does not say how it began',
      ({ resume: _, ...content }) => content,
      /^sgool: out: says nothing that it could go on from; .*sgool repeat out\/run\.json\n$/,
    ],
    ['is no record', () => [], /run\.json: must hold a JSON object, got \[\]\n$/],
  ])('is refused where the run %s, in one line, with nothing changed', async (_, change, message) => {
    await kill(generate, 3);
    await edit(change);
    const { code, stdout, stderr } = await sgool(['resume', 'out', '--quiet'], { scores: SCORES });
    expect([code, stdout, stderr.split('\n').length]).toEqual([1, '', 2]);
    expect(stderr).toMatch(message);
    const files = await filesIn('out');
    expect(Object.keys(files)).toEqual(expect.arrayContaining(['image.png', 'state/run.safetensors']));
    if (!Array.isArray(change({}))) expect((await record()).status).not.toBe('done');
  });

  it('goes on with a run of another computer where it is told to', async () => {
    await kill(generate, 3);
    await edit((content) => ({ ...content, process: ELSEWHERE }));
    expect((await sgool(['resume', 'out', '--force'], { scores: SCORES })).code).toBe(0);
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    ['is damaged', damage, /run\.safetensors: is damaged, its checksum/],
    [
      'is cut off',
      async (path) => writeFile(path, (await readFile(path)).subarray(0, 200)),
      /run\.safetensors/,
    ],
    ['is empty', (path) => writeFile(path, ''), /run\.safetensors/],
    ['is another file', (path) => writeStateFile(path, {}), /holds no state of a run/],
  ])('names the state where it %s', async (_, spoil, message) => {
    await kill(generate, 3);
    await spoil(join(cwd, 'out/state/run.safetensors'));
    const { code, stderr } = await sgool(['resume', 'out', '--quiet']);
    expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toMatch(/^sgool: the state of the run cannot be read: /);
    expect(stderr).toMatch(message);
    expect((await record()).status).toBe('stopped');
  });

  it.each([
    ['nothing', 'nothing'],
    ['a folder without a run', '.'],
    ['an image', 'disc.png'],
  ])('says of %s that it holds no run', async (_, place) => {
    const { code, stderr } = await sgool(['resume', place]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sgool: .*: holds no run; give a folder with run\.json or summary\.json.*\n$/);
  });

  it('is refused while another process goes on with it', async () => {
    await kill(generate, 2);
    await writeFile(join(cwd, 'out/state/claim-1.json'), JSON.stringify(ours));
    const { code, stderr } = await sgool(['resume', 'out']);
    expect([code, stderr]).toEqual([1, `sgool: ${join(cwd, 'out')}: another process goes on with it\n`]);
    await writeFile(join(cwd, 'out/state/claim-1.json'), JSON.stringify(DEAD));
    expect((await sgool(['resume', 'out'], { scores: SCORES })).code).toBe(0);
  });

  it('is won by one of many that begin at once', async () => {
    await kill(generate, 2);
    const ended = await Promise.all(
      Array.from({ length: 5 }, () => sgool(['resume', 'out'], { scores: SCORES })),
    );
    expect(ended.filter(({ stdout }) => stdout !== '')).toHaveLength(1);
    expect(ended.filter(({ code }) => code === 0)).toHaveLength(1);
  });
});

/** Changes a digit of the content, so that everything is still readable. */
async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  const content = bytes.indexOf('"content"');
  const at = bytes.findIndex((byte, i) => i > content && byte >= 0x30 && byte <= 0x39);
  bytes[at] ^= 1;
  await writeFile(path, bytes);
}

describe('resume of a series', () => {
  const series = [
    'generate',
    'a red cat',
    '--seed',
    '5',
    '--count',
    '2',
    '--iterations',
    '1',
    '--out',
    'out',
  ];

  // In the first image, between two runs, in the last image of two.
  it.each<[string, readonly number[], readonly string[]]>([
    ['seeds', [0, 3], series],
    ['prompts', [5], ['generate', '--prompts', 'prompts.txt', ...series.slice(2)]],
    ['refine', [2], ['refine', 'disc.png', ...series.slice(1)]],
  ])('keeps what is finished, goes on with what was begun, makes the rest: %s', async (_, moments, argv) => {
    await writeFile(join(cwd, 'prompts.txt'), 'a red cat\na blue boat\n');
    const expected = await whole(argv);
    for (const until of moments) {
      await kill(argv, until);
      await rm(join(cwd, 'prompts.txt'), { force: true });
      const { code, stdout } = await sgool(['resume', 'out', '--quiet'], { scores: SCORES });
      expect(code, `killed at ${until}`).toBe(0);
      const all = Object.keys(expected).filter((name) => name.endsWith('/image.png')).length;
      const left = Math.ceil((2 * all - until) / 2);
      expect(stdout.trim().split('\n')).toHaveLength(left);
      expect(await filesIn('out')).toEqual(expected);
      await rm(join(cwd, 'out'), { recursive: true });
      await writeFile(join(cwd, 'prompts.txt'), 'a red cat\na blue boat\n');
    }
  });

  it('tries again what has failed', async () => {
    const expected = await whole(series);
    let images = 0;
    const full = () => {
      if (images++ === 3) throw new UserError('no space left on the disk');
    };
    expect((await sgool(series, { before: full, scores: SCORES })).code).toBe(1);
    expect((await record('out/summary.json')).status).toBe('failed');
    expect((await sgool(['resume', 'out'], { scores: SCORES })).code).toBe(0);
    expect(await filesIn('out')).toEqual(expected);
  });

  it('is one line of sgool runs, and its folder has the others', async () => {
    await kill(series, 3);
    const { runs } = JSON.parse((await sgool(['runs', '.', '--json'])).stdout);
    expect(runs).toMatchObject([
      {
        kind: 'series',
        status: 'dead',
        prompt: 'a red cat',
        finished: 1,
        total: 2,
        resume: 'sgool resume out',
      },
    ]);
    const inside = JSON.parse((await sgool(['runs', 'out', '--json'])).stdout);
    expect(inside.runs.map((run: Content) => run.status).sort()).toEqual(['dead', 'done']);
  });
});

describe('runs', () => {
  it('tells those that run, are finished, were stopped, failed and died', async () => {
    await sgool(generate);
    for (const name of ['running', 'done', 'stopped', 'failed', 'dead', 'unknown']) {
      await cp(join(cwd, 'out'), join(cwd, `all/${name}`), { recursive: true });
      const process = {
        running: thisProcess(),
        dead: DEAD,
        unknown: ELSEWHERE,
      }[name];
      const status = process ? 'running' : name;
      await edit(
        (content) => ({ ...content, status, process, resume: { cwd, values: {} } }),
        `all/${name}/run.json`,
      );
    }
    await writeFile(join(cwd, 'all/broken.json'), '');
    const { code, stdout } = await sgool(['runs', 'all', '--json']);
    expect(code).toBe(0);
    const { runs } = JSON.parse(stdout);
    expect(
      Object.fromEntries(
        runs.map(({ folder, status }: Content) => [String(folder).split('/').at(-1), status]),
      ),
    ).toEqual(
      Object.fromEntries(
        ['running', 'done', 'stopped', 'failed', 'dead', 'unknown'].map((name) => [name, name]),
      ),
    );
    for (const run of runs) {
      expect(run).toMatchObject({ prompt: 'a red cat', method: 'sgool', finished: 5, total: 5, score: 25 });
      expect('resume' in run).toBe(!['running', 'done'].includes(run.status));
    }
    const table = (await sgool(['runs', 'all'])).stdout.trim().split('\n');
    expect(table).toHaveLength(7);
    expect(table[0]).toMatch(/^status +started +method +done +CLIP +prompt +folder +to go on$/);
  });

  it('lists the newest first', async () => {
    await sgool(generate);
    for (const [name, day] of [
      ['old', 1],
      ['new', 3],
      ['middle', 2],
    ] as const) {
      await cp(join(cwd, 'out'), join(cwd, `all/${name}`), { recursive: true });
      await edit((content) => ({ ...content, started: `2026-11-0${day}T00:00:00Z` }), `all/${name}/run.json`);
    }
    const { runs } = JSON.parse((await sgool(['runs', 'all', '--json'])).stdout);
    expect(runs.map(({ folder }: Content) => String(folder).split('/').at(-1))).toEqual([
      'new',
      'middle',
      'old',
    ]);
  });

  it('names a record that cannot be read, and lists the others', async () => {
    await sgool([...generate.slice(0, -1), 'all/good']);
    await cp(join(cwd, 'all/good'), join(cwd, 'all/bad'), { recursive: true });
    await writeFile(join(cwd, 'all/bad/run.json'), '{"status": 7}');
    const { code, stdout, stderr } = await sgool(['runs', 'all', '--json']);
    expect([code, JSON.parse(stdout).runs.length]).toEqual([0, 1]);
    expect(stderr).toMatch(/^sgool: .*bad\/run\.json: its record is not that of a run of sgool\n$/);
  });

  it.each<[readonly string[], number, RegExp]>([
    [['runs'], 0, /^sgool: there are no runs in sgool-output\n$/],
    [['runs', 'nowhere'], 1, /^sgool: cannot read .*nowhere: the folder does not exist\n$/],
    [['runs', 'disc.png'], 1, /^sgool: cannot read .*disc\.png: it is no folder\n$/],
  ])('%j says that there are none', async (argv, code, message) => {
    const ended = await sgool(argv);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(message);
  });

  it('shows text of a record as text', async () => {
    await sgool(generate);
    await edit((content) => ({ ...content, prompt: 'a\u001b[2Jcat' }));
    expect((await sgool(['runs', '.'])).stdout).not.toContain('\u001b');
  });
});
