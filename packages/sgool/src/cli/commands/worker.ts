/** @file `sgool worker`: takes the cells of evaluations from a queue, one after the other, until it is stopped. */
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import { judgeOfWeights } from '../../evaluate/judge/judge-of.ts';
import { type CellJob, queueOfDevice, readQueueName } from '../../evaluate/queue/cell-job.ts';
import { type Lane, laneOf, Refusal, runWorker, type WorkerParts } from '../../evaluate/queue/cell-worker.ts';
import { connectQueue } from '../../evaluate/queue/queue-server.ts';
import type { Results } from '../../evaluate/queue/results.ts';
import { openScorers, wantedScorers } from '../../evaluate/scores/open-scorers.ts';
import type { Host } from '../host.ts';
import {
  checkedParts,
  loadOptionsOf,
  type ModelValues,
  type SharedValues,
  scorerTokenizer,
  sharedOptions,
  sharedValues,
} from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { wholeNumber } from '../options/whole-number.ts';
import { oneLine } from '../terminal/format.ts';
import { watchInterrupts } from '../terminal/interrupt.ts';
import { openResults, QUEUE_VARIABLE, queueAddress } from './evaluate/on-queue.ts';
import { machineLine, weightsHash } from './evaluate/this-machine.ts';

/** The model has a text of its own here; the precision is that of the cells. */
const WITHOUT = ['model', 'precision'] as const;

const NOTES = `
A worker opens the model that a cell names and keeps it for the next ones. It
must be the same model: its hash is checked. Cells of a model that is not here
are left to other workers. Files go where the evaluation says, a folder that all
machines share or a bucket of S3 (AWS_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3), and on PostgreSQL each cell is a
row of sgool.cells, too.

Ctrl-C and SIGTERM give the cell in work back and end with exit code 0. A worker
that dies loses nothing: another one takes its cell over after two minutes. While
the server is away, workers wait.

The address may hold a password: it is never shown or stored. Give it as the
variable ${QUEUE_VARIABLE} where other people can see the list of processes.

  npm install bullmq ioredis     for Redis and Valkey
  npm install bullmq pg          for PostgreSQL

Examples:
  sgool evaluate --suite toybox --queue redis://queue.local --out /shared/toybox
  sgool worker --queue redis://queue.local
  sgool worker --queue postgres://sgool@db.local/sgool --device cuda --model /models/sd-1.4
  ${QUEUE_VARIABLE}=rediss://:password@queue.local sgool worker --concurrency 2`;

interface WorkerFlags extends OptionValues {
  readonly queue?: string;
  readonly queueName?: string;
  readonly model?: string;
  readonly out?: string;
  readonly concurrency?: string;
  readonly quiet?: boolean;
}

export function configure(command: Command, host: Host): void {
  command
    .option(
      '--queue <url>',
      `server of the queue: redis://, rediss://, valkey:// or postgres:// (default: the variable ${QUEUE_VARIABLE})`,
    )
    .option('--queue-name <name>', 'queue within the server (default: sgool-cpu or sgool-gpu, by --device)');
  for (const option of sharedOptions(WITHOUT)) command.addOption(option);
  command
    .option('--model <place>', 'where the model is on this machine (default: where the cells say)')
    .option('--out <folder>', 'where the shared folder is on this machine (default: where the cells say)')
    .option('--concurrency <n>', 'cells at the same time; each opens the model for itself (default: 1)')
    .option('--quiet', 'show only warnings')
    .addHelpText('after', NOTES)
    .action((flags: WorkerFlags) => work(flags, host));
}

async function work(flags: WorkerFlags, host: Host): Promise<void> {
  const address = queueAddress(flags.queue, host);
  const concurrency = wholeNumber('--concurrency', flags.concurrency ?? '1', 1, 64);
  const values = sharedValues(flags, host, WITHOUT);
  const name =
    flags.queueName === undefined ? queueOfDevice(values.device ?? 'cpu') : readQueueName(flags.queueName);
  const say = (line: string) => void host.stderr.write(`sgool: ${oneLine(address.scrub(line))}\n`);
  const note = (line: string) => void (flags.quiet !== true && say(line));
  const server = await connectQueue(address);
  const parts = new MachineParts(values, flags, host, note);
  const interrupt = watchInterrupts(host, {
    onFirst: () => note('stopping; the cell in work is given back'),
    onForced: () => undefined,
  });
  try {
    const names = await server.names();
    if (!names.includes(name)) {
      const others = names.length === 0 ? '' : `; there are ${names.join(', ')}`;
      note(`no evaluation has filled ${name} yet${others}; waiting for one`);
    }
    note(`takes cells from ${name} on ${address.shown}`);
    let count = 0;
    await runWorker(server, parts, {
      queue: name,
      concurrency,
      signal: interrupt.signal,
      say,
      onEnded(_id, { place }, record) {
        const outcome =
          record.status === 'failed' ? `failed: ${record.error}` : `${record.cost.seconds.toFixed(1)} s`;
        note(`${++count}  ${place}  ${outcome}`);
      },
    });
  } finally {
    interrupt.dispose();
    await server.close();
    await parts.dispose();
  }
}

interface OpenLane {
  readonly key: string;
  readonly lane: Lane;
  dispose(): Promise<void>;
}

/** Models, scorers and folders of this machine, opened once and kept. */
class MachineParts implements WorkerParts {
  readonly #values: SharedValues;
  readonly #flags: WorkerFlags;
  readonly #host: Host;
  readonly #note: (line: string) => void;
  readonly #lanes = new Map<number, OpenLane>();
  readonly #results = new Map<string, Results>();
  /** What could not be opened is not tried again. */
  readonly #refusals = new Map<string, Refusal>();

  constructor(values: SharedValues, flags: WorkerFlags, host: Host, note: (line: string) => void) {
    this.#values = values;
    this.#flags = flags;
    this.#host = host;
    this.#note = note;
  }

  now(): Date {
    return this.#host.now();
  }

  async lane(index: number, job: CellJob): Promise<Lane> {
    const { cell, precision, scorers, scores, parts } = job;
    const key = JSON.stringify([cell.model.hash, precision, scorers, scores, parts]);
    const found = this.#lanes.get(index);
    if (found?.key === key) return found.lane;
    const refusal = this.#refusals.get(key);
    if (refusal !== undefined) throw refusal;
    // One model at a time in a lane: two may not fit into the memory.
    this.#lanes.delete(index);
    await found?.dispose();
    try {
      const opened = await this.#open(key, job);
      this.#lanes.set(index, opened);
      return opened.lane;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const refused = error instanceof Refusal ? error : new Refusal(error.message);
      this.#refusals.set(key, refused);
      throw refused;
    }
  }

  async #open(key: string, job: CellJob): Promise<OpenLane> {
    const { cell, precision } = job;
    const values: ModelValues = { ...checkedParts(job.parts), ...this.#values, precision };
    const options = loadOptionsOf(values);
    const name = this.#flags.model ?? cell.model.name;
    this.#note(`opens ${name}`);
    const engine = await this.#host.loadEngine();
    const pipeline = await engine.openPipeline(name, options);
    try {
      const hash = await weightsHash(pipeline, options);
      if (hash !== cell.model.hash) {
        throw new Refusal(
          `model ${name}: is another one here, ${hash.slice(0, 12)}; the cells need ${cell.model.name}, ${cell.model.hash.slice(0, 12)}`,
        );
      }
      const { scorers, dispose } = await openScorers(
        job.scorers.flatMap(wantedScorers),
        pipeline,
        await judgeOfWeights(job.scores.judge),
        {
          ...{ ...pipeline.compute, deviceOptions: options.deviceOptions },
          ...{ env: this.#host.env, ...scorerTokenizer(values) },
        },
      );
      const lane = laneOf({
        pipeline,
        methods: engine.methods,
        scorers,
        machine: machineLine(pipeline),
        now: this.#host.now,
      });
      const close = async () => {
        await dispose();
        await pipeline.dispose();
      };
      const here = new Map(
        scorers.flatMap(({ infos }) => infos.map(({ name, weights = '' }) => [name, weights])),
      );
      const other = Object.entries(job.scores).find(([score, weights]) => here.get(score) !== weights);
      if (other !== undefined) {
        await dispose();
        throw new Refusal(`score ${other[0]}: has other weights here than the evaluation, or is missing`);
      }
      return { key, lane, dispose: close };
    } catch (error) {
      await pipeline.dispose();
      throw error;
    }
  }

  async results(job: CellJob): Promise<Results> {
    const place = this.#flags.out ?? job.results;
    const found = this.#results.get(place);
    if (found !== undefined) return found;
    try {
      const results = await openResults(place, this.#host);
      await results.check();
      this.#results.set(place, results);
      return results;
    } catch (error) {
      // Not remembered: the folder may be mounted later.
      throw error instanceof UserError ? new Refusal(error.message) : error;
    }
  }

  async dispose(): Promise<void> {
    for (const { dispose } of this.#lanes.values()) await dispose();
    for (const results of this.#results.values()) results.close();
  }
}
