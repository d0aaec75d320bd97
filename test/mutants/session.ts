/**
 * @file The worker of the mutation run: a runner of vitest that runs each test file once as it is, notes which tests reach
 * which mutants, and runs those again for each mutant.
 *
 * All modules of the package are evaluated anew for each mutant, so that nothing is left over from the one before.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { type File, type Suite, startTests, type Task, type Test } from '@vitest/runner';
import { TestRunner } from 'vitest';
import { type Answer, PLAN_VARIABLE, type Plan, type Switches } from './plan.ts';

/** A loop may run this many times more often than in all tests of a file without a mutant. */
const PATIENCE = 5;
const FEW_TICKS = 1_000_000;

const switches: Switches = {
  on: 0,
  reached: new Uint8Array(0),
  ticks: 0,
  tickLimit: Number.POSITIVE_INFINITY,
};

Object.assign(globalThis, {
  $mutant(id: number): boolean {
    switches.reached[id] = 1;
    return switches.on === id;
  },
  $tick(): void {
    if (++switches.ticks > switches.tickLimit) throw new Error('the mutant does not end');
  },
});

/** Modules that vitest has evaluated; not part of its public types. */
interface Internals {
  readonly workerState: {
    readonly evaluatedModules: {
      readonly idToModuleMap: ReadonlyMap<string, { readonly id: string }>;
      invalidateModule(module: { readonly id: string }): void;
    };
  };
  readonly moduleRunner: unknown;
  readonly _otel: Parameters<TestRunner['__setTraces']>[0];
}

/** Runs single test files inside of a session. */
class OneFile extends TestRunner {
  /** Tests to run by their place in the file; all if undefined. */
  selected: ReadonlySet<number> | undefined;
  failedTest: string | undefined;
  /** Mutants reached by each test, and by what is around the tests. */
  readonly reachedBy = new Map<string, Uint8Array>();
  private outside: Uint8Array = new Uint8Array(0);
  /** Whether to go on after a failed test, and note what is reached. */
  noting = false;

  onCollected(files: File[]): void {
    if (this.noting) this.outside = switches.reached;
    let place = 0;
    const select = (task: Task): boolean => {
      if (task.type === 'test') {
        const chosen = this.selected?.has(place) ?? true;
        place++;
        if (!chosen) task.mode = 'skip';
        return task.mode !== 'skip';
      }
      const any = task.tasks.map(select).some(Boolean);
      if (!any && task.mode === 'run') task.mode = 'skip';
      return any;
    };
    for (const file of files) select(file);
  }

  override async onBeforeRunTask(test: Test): Promise<void> {
    if (this.failedTest !== undefined && !this.noting) test.mode = 'skip';
    await super.onBeforeRunTask(test);
    if (this.noting) switches.reached = new Uint8Array(this.outside.length);
  }

  override async onAfterRunTask(test: Task): Promise<void> {
    await super.onAfterRunTask(test);
    if (this.noting) {
      this.reachedBy.set(test.id, switches.reached);
      switches.reached = this.outside;
    }
    if (test.result?.state === 'fail') this.failedTest ??= nameOf(test);
  }

  override async onAfterRunSuite(suite: Suite): Promise<void> {
    if (suite.result?.state === 'fail') this.failedTest ??= nameOf(suite);
    // Not the base class: it would store snapshots.
  }
}

const nameOf = (task: Task): string =>
  task.suite && task.suite !== task.file ? `${nameOf(task.suite)} > ${task.name}` : task.name;

const testsOf = (suite: Suite): Test[] =>
  suite.tasks.flatMap((task) => (task.type === 'test' ? [task] : testsOf(task)));

/** The runner that vitest loads. Its test file is a formality; the session begins when that has been run. */
export default class Session extends TestRunner {
  private readonly plan: Plan = JSON.parse(readFileSync(process.env[PLAN_VARIABLE] ?? '', 'utf8'));

  override async onAfterRunFiles(): Promise<void> {
    super.onAfterRunFiles();
    await this.session();
  }

  private async session(): Promise<void> {
    const { plan } = this;
    const alive = new Set(plan.mutants.map(({ id }) => id));
    const size = Math.max(0, ...alive) + 100_000;
    for (let test = plan.resume.test; test < plan.tests.length && alive.size > 0; test++) {
      const path = plan.tests[test];
      answer(plan, { kind: 'begin', test });
      switches.on = 0;
      switches.reached = new Uint8Array(size);
      switches.ticks = 0;
      switches.tickLimit = Number.POSITIVE_INFINITY;
      const first = this.oneFile();
      first.noting = true;
      const [file] = await startTests([path], first);
      const tests = testsOf(file);
      switches.tickLimit = Math.max(FEW_TICKS, PATIENCE * switches.ticks);
      const outside = switches.reached;
      const passing = tests.map((task) => task.result?.state === 'pass');
      const failing = tests.filter((task) => task.result?.state === 'fail').map(nameOf);
      const tried = new Set(test === plan.resume.test ? plan.resume.tried : []);
      const chosen = new Map<number, Set<number>>();
      for (const id of alive) {
        const places = tests.flatMap((task, place) =>
          passing[place] && (outside[id] || first.reachedBy.get(task.id)?.[id]) ? [place] : [],
        );
        if (places.length > 0 && !tried.has(id)) chosen.set(id, new Set(places));
      }
      answer(plan, { kind: 'file', test, reached: [...chosen.keys()], failing });
      for (const [id, selected] of chosen) {
        answer(plan, { kind: 'try', test, id });
        const runner = this.oneFile();
        runner.selected = selected;
        switches.on = id;
        switches.ticks = 0;
        const by = await startTests([path], runner).then(
          ([{ result }]) => runner.failedTest ?? (result?.state === 'fail' ? 'the file' : null),
          (error: Error) => `the file: ${error.message}`,
        );
        switches.on = 0;
        answer(plan, { kind: 'end', test, id, by });
        if (by !== null) alive.delete(id);
      }
    }
    answer(plan, { kind: 'done' });
  }

  /** A runner for one run of one file, with fresh modules. It reports nothing to vitest. */
  private oneFile(): OneFile {
    const { workerState, moduleRunner, _otel } = this as unknown as Internals;
    const modules = workerState.evaluatedModules;
    for (const module of modules.idToModuleMap.values()) {
      if (/\/packages\/sgool\//.test(module.id)) modules.invalidateModule(module);
    }
    const runner = new OneFile(this.config);
    Object.defineProperty(runner, 'moduleRunner', { value: moduleRunner });
    runner.__setTraces(_otel);
    return runner;
  }
}

function answer({ answers }: Plan, line: Answer): void {
  appendFileSync(answers, `${JSON.stringify(line)}\n`);
}
