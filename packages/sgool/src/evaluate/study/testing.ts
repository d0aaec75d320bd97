/** @file Studies of fake evaluations, and raters that ask a server as the page does. */
import { randomUUID } from 'node:crypto';
import type { Evaluation } from '../cells/run-folder.ts';
import { fakeEvaluation } from '../testing.ts';
import { createStudy, type StudyOptions } from './create-study.ts';
import { namesOf } from './serve/guards.ts';
import { type Listening, type ListenOptions, listenStudy } from './serve/listen.ts';
import { type StudyAppOptions, studyApp } from './serve/study-app.ts';
import type { Study } from './study.ts';
import type { Choice } from './votes.ts';

/** Nothing is refused for being too fast. */
export const NO_LIMITS = {
  requests: { burst: 1e9, perSecond: 1e9 },
  raters: { burst: 1e9, perSecond: 1e9 },
  votes: { burst: 1e9, perSecond: 1e9 },
};

export type FakeStudyOptions = Partial<StudyOptions> & {
  readonly prompts?: number;
  readonly seeds?: number;
  readonly side?: number;
  readonly failed?: readonly string[];
  readonly texts?: readonly string[];
};

/** A study of a fake evaluation in `folder`. */
export async function fakeStudy(folder: string, options: FakeStudyOptions = {}) {
  const { prompts, seeds = 1, side, failed, texts, ...more } = options;
  const made = await fakeEvaluation(folder, { prompts, seeds, side, failed });
  const evaluation = texts === undefined ? made : withTexts(made, texts);
  const created = await createStudy(evaluation, {
    name: 'default',
    title: 'A <fake> study',
    pairing: 'all',
    seed: 0,
    now: new Date(2026, 0, 2),
    ...more,
  });
  return { ...created, evaluation };
}

/** The evaluation with other prompts, in turn. */
function withTexts(evaluation: Evaluation, texts: readonly string[]): Evaluation {
  const cells = evaluation.cells.map((planned) => ({
    ...planned,
    cell: { ...planned.cell, prompt: texts[(Number(planned.prompt) - 1) % texts.length] },
  }));
  return { ...evaluation, cells };
}

/** A server of a study on a free port of this machine. */
export async function serveStudy(
  folder: string,
  study: Study,
  options: Partial<StudyAppOptions & ListenOptions> = {},
): Promise<Listening & { base: string; problems: string[] }> {
  const problems: string[] = [];
  const application = studyApp({
    folder,
    study,
    names: namesOf('127.0.0.1', []),
    limits: NO_LIMITS,
    onProblem: (line) => problems.push(line),
    ...options,
  });
  const server = await listenStudy(application, { host: '127.0.0.1', port: 0, ...options });
  return { ...server, base: `http://127.0.0.1:${server.port}`, problems };
}

export interface SessionStep {
  readonly pair: string;
  readonly text: string;
  readonly left: { readonly id: string };
  readonly right: { readonly id: string };
}

export interface Session {
  readonly rater: string;
  readonly steps: readonly SessionStep[];
  readonly answers: readonly { readonly pair: string; readonly question: string; readonly choice: Choice }[];
}

/** A rater by HTTP. */
export class TestRater {
  readonly base: string;
  readonly token: string;
  readonly session: Session;

  constructor(base: string, token: string, session: Session) {
    this.base = base;
    this.token = token;
    this.session = session;
  }

  static async begin(base: string, nick?: string): Promise<TestRater> {
    const response = await post(`${base}/api/raters`, nick === undefined ? {} : { nick });
    if (response.status !== 201) throw new Error(await response.text());
    const { token, ...session } = (await response.json()) as Session & { token: string };
    return new TestRater(base, token, session);
  }

  /** The session as the server has it now. */
  async now(): Promise<Session> {
    const response = await fetch(`${this.base}/api/session`, { headers: this.#headers() });
    return (await response.json()) as Session;
  }

  vote(pair: string, question: string, choice: unknown, more: object = {}): Promise<Response> {
    const body = { id: randomUUID(), pair, question, choice, ms: 1234.5, ...more };
    return post(`${this.base}/api/votes`, body, this.#headers());
  }

  undo(pair: string, question: string): Promise<Response> {
    return post(`${this.base}/api/undo`, { id: randomUUID(), pair, question }, this.#headers());
  }

  /** Answers everything. @param choose what is said of a step */
  async rateAll(
    questions: readonly string[],
    choose: (step: SessionStep, question: string) => Choice,
  ): Promise<void> {
    for (const step of this.session.steps) {
      for (const question of questions) {
        const { status } = await this.vote(step.pair, question, choose(step, question));
        if (status !== 200) throw new Error(`vote refused: ${status}`);
      }
    }
  }

  #headers() {
    return { Authorization: `Bearer ${this.token}` };
  }
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
