/**
 * @file `<study>/votes/<rater>.jsonl`: what a rater has said, one line per answer, in the order in which it came. Lines are only
 * ever added, and a vote is answered when it is on the disk.
 */
import { createHash, randomBytes } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { STUDY_FILES, STUDY_FORMAT, type Study } from './study.ts';

export const CHOICES = ['left', 'right', 'tie', 'skip'] as const;
export type Choice = (typeof CHOICES)[number];

const raterId = z.string().regex(/^[0-9a-f]{12}$/);

const raterSchema = z.strictObject({
  kind: z.literal('rater'),
  format: z.literal(STUDY_FORMAT),
  study: z.string(),
  /** As `Study.pictures`: what was shown. */
  pictures: z.string(),
  rater: raterId,
  /** Raters before this one. */
  number: z.int().min(0),
  nick: z.string().optional(),
  at: z.string(),
});
const voteSchema = z.strictObject({
  kind: z.literal('vote'),
  rater: raterId,
  /** Chosen by the page: a vote that is sent twice counts once. */
  id: z.string(),
  pair: z.string(),
  question: z.string(),
  choice: z.enum(CHOICES),
  /** Ids of the pictures on the two sides. */
  left: z.string(),
  right: z.string(),
  /** Time from when both pictures were there, without the time in which the page was hidden. */
  ms: z.number().min(0),
  at: z.string(),
});
const undoSchema = z.strictObject({
  kind: z.literal('undo'),
  rater: raterId,
  id: z.string(),
  pair: z.string(),
  question: z.string(),
  at: z.string(),
});
const lineSchema = z.discriminatedUnion('kind', [raterSchema, voteSchema, undoSchema]);
export type VoteLine = z.output<typeof lineSchema>;
export type Rater = z.output<typeof raterSchema>;
export type Vote = z.output<typeof voteSchema>;

/** What a rater has said so far. */
export interface RaterLog {
  readonly rater: Rater;
  /** The answers that count, by {@link answerKey}, oldest first. */
  readonly answers: ReadonlyMap<string, Vote>;
  /** Ids of all votes and undos. */
  readonly seen: ReadonlySet<string>;
  /** Lines that are no vote: a process was killed while it wrote. */
  readonly torn: number;
}

export const answerKey = ({ pair, question }: { readonly pair: string; readonly question: string }): string =>
  `${pair} ${question}`;

/** The lines of a file. A line that was cut off is passed over. */
export function parseVotes(text: string): { lines: VoteLine[]; torn: number } {
  const lines: VoteLine[] = [];
  let torn = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const parsed = lineSchema.safeParse(jsonOf(line));
    if (parsed.success) lines.push(parsed.data);
    else torn++;
  }
  return { lines, torn };
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text, 'a vote');
  } catch {
    return undefined;
  }
}

/** What lines amount to: the first vote counts until it is undone. Undefined where no line says who the rater is. */
export function foldVotes(lines: readonly VoteLine[], torn = 0): RaterLog | undefined {
  const answers = new Map<string, Vote>();
  const seen = new Set<string>();
  const rater = lines.find((line) => line.kind === 'rater');
  for (const line of lines) {
    if (line.kind === 'rater' || seen.has(line.id)) continue;
    seen.add(line.id);
    const key = answerKey(line);
    if (line.kind === 'undo') answers.delete(key);
    else if (!answers.has(key)) answers.set(key, line);
  }
  return rater && { rater, answers, seen, torn };
}

/** The id of a rater. It says nothing of the token, so that whoever has the votes cannot vote for others. */
export function raterOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12);
}

/** What became of a vote: on the disk, there before, or refused because the question is answered (or, to undo, is not). */
export type Outcome = 'stored' | 'repeated' | 'conflict';

/** The votes of a study. Files are read again for every request: another process may serve the same study. */
export class VoteFiles {
  readonly #study: Study;
  readonly #folder: string;
  /** The last task of each file, so that tasks of one file follow each other. */
  readonly #tasks = new Map<string, Promise<unknown>>();

  /** @param folder of the study */
  constructor(folder: string, study: Study) {
    this.#study = study;
    this.#folder = join(folder, STUDY_FILES.votes);
  }

  /**
   * Begins the log of a new rater.
   *
   * @returns the token, which only the rater keeps
   * @throws UserError where the disk refuses
   */
  async enlist(nick: string | undefined, at: Date): Promise<{ token: string; log: RaterLog }> {
    const token = randomBytes(18).toString('base64url');
    return this.#inTurn('', async () => {
      await makeFolders(this.#folder);
      const rater: Rater = {
        kind: 'rater',
        format: STUDY_FORMAT,
        study: this.#study.id,
        pictures: this.#study.pictures,
        rater: raterOf(token),
        number: (await this.#files()).length,
        ...(nick === undefined ? {} : { nick }),
        at: at.toISOString(),
      };
      await this.#append(rater);
      return { token, log: { rater, answers: new Map(), seen: new Set(), torn: 0 } };
    });
  }

  /** The log of the rater with this token; undefined where there is none in this study. */
  async find(token: string): Promise<RaterLog | undefined> {
    return this.#read(raterOf(token));
  }

  /** Number of raters so far. */
  async count(): Promise<number> {
    return (await this.#files()).length;
  }

  /**
   * Stores an answer, or that it is taken back.
   *
   * @throws UserError where the disk refuses
   */
  async add(line: Exclude<VoteLine, Rater>): Promise<Outcome> {
    return this.#inTurn(line.rater, async () => {
      const log = await this.#read(line.rater);
      if (log?.seen.has(line.id)) return 'repeated';
      const isAnswered = log?.answers.has(answerKey(line)) ?? false;
      if (isAnswered === (line.kind === 'vote')) return 'conflict';
      await this.#append(line);
      return 'stored';
    });
  }

  /** The logs of all raters, in the order in which they came. */
  async all(): Promise<RaterLog[]> {
    const logs = await Promise.all((await this.#files()).map((name) => this.#read(name)));
    return logs
      .filter((log) => log !== undefined)
      .toSorted((a, b) => a.rater.number - b.rater.number || a.rater.at.localeCompare(b.rater.at));
  }

  /** Every line as it stands in the files. */
  async lines(): Promise<VoteLine[]> {
    const logs = await this.all();
    const texts = await Promise.all(
      logs.map(({ rater }) => files.readText(this.#path(rater.rater), SIZE_LIMITS.record)),
    );
    return texts.flatMap((text) => parseVotes(text).lines);
  }

  /** Waits until everything that was asked for is on the disk. */
  async settled(): Promise<void> {
    await Promise.all(this.#tasks.values());
  }

  #path(rater: string): string {
    return join(this.#folder, `${rater}.jsonl`);
  }

  /** Ids of all raters. */
  async #files(): Promise<string[]> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.flatMap((name) => /^([0-9a-f]{12})\.jsonl$/.exec(name)?.[1] ?? []);
  }

  async #read(rater: string): Promise<RaterLog | undefined> {
    const path = this.#path(rater);
    if (!(await files.exists(path))) return undefined;
    const text = await files.readText(path, SIZE_LIMITS.record);
    const { lines, torn } = parseVotes(text);
    const log = foldVotes(lines, torn);
    return log?.rater.study === this.#study.id ? log : undefined;
  }

  /** Writes a line and waits for the disk. A line that was cut off before it stays, and is ended. */
  async #append(line: VoteLine): Promise<void> {
    const path = this.#path(line.rater);
    try {
      const file = await open(path, 'a+');
      try {
        const { size } = await file.stat();
        const last = Buffer.alloc(1);
        if (size > 0) await file.read(last, 0, 1, size - 1);
        const isCutOff = size > 0 && last.toString() !== '\n';
        await file.appendFile(`${isCutOff ? '\n' : ''}${JSON.stringify(line)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (error) {
      const reason = fileSystemReason(error);
      if (reason === undefined) throw error;
      throw new UserError(`cannot write ${path}: ${reason}`, { cause: error });
    }
  }

  async #inTurn<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tasks.get(name) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(task);
    const settled = mine.catch(() => undefined);
    this.#tasks.set(name, settled);
    try {
      return await mine;
    } finally {
      if (this.#tasks.get(name) === settled) this.#tasks.delete(name);
    }
  }
}
