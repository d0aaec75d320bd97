/** @file The experiment from its plan to its figures: settings are chosen on tuning prompts, then compared on reported ones. */
import type { Evaluation } from 'sgool/evaluate';
import { costLine, type Fitted, fitted, type WorkOf } from './budget.ts';
import { gains, type Runner, survivors } from './halving.ts';
import type { Contender, Given, Plan } from './plan.ts';
import { type Column, type RunStage, type Stage, scoredImages } from './stage.ts';

/** A candidate that is tried at a budget. */
interface Tried extends Column, Fitted {}

/** What became of a contender at a budget. */
export interface Choice {
  readonly label: string;
  /** Absent where no candidate costs the budget. */
  readonly chosen?: Fitted;
  /** Candidates that cost the budget, of all that were offered. */
  readonly tried: number;
  readonly offered: number;
  /** After each rung: how many prompts had been seen, and the candidates that stayed, the best first. */
  readonly rungs: readonly { readonly prompts: number; readonly stayed: readonly Given[] }[];
}

/** A budget with what was chosen and what was found. */
export interface BudgetResult {
  readonly budget: number;
  readonly choices: readonly Choice[];
  readonly evaluation: Evaluation;
}

export interface ExperimentOptions {
  /** Ids of all prompts of the two suites, in their order. */
  readonly prompts: { readonly toybox: readonly string[]; readonly tuning: readonly string[] };
  readonly runStage: RunStage;
  readonly signal: AbortSignal;
  say(line: string): void;
  /** Before a stage, with the work of its images in plain generations. */
  onStage?(name: string, images: number, work: number): void;
  onStageDone?(name: string): void;
}

/** Every candidate of a contender with its cost by budget. */
export interface Offer {
  readonly contender: Contender;
  /** By budget, in the order of the plan: those that cost it. */
  readonly byBudget: readonly (readonly Fitted[])[];
}

/** What each contender can be had for at each budget. Nothing is made. */
export async function offers(plan: Plan, workOf: WorkOf): Promise<Offer[]> {
  const { reference, contenders, budgets } = plan;
  const plain = await workOf(reference.method, reference.settings);
  const all: Offer[] = [];
  for (const contender of contenders) {
    const lines: Awaited<ReturnType<typeof costLine>>[] = [];
    for (const candidate of contender.candidates) lines.push(await costLine(contender, candidate, workOf));
    all.push({
      contender,
      byBudget: budgets.map((budget) =>
        contender.candidates.flatMap(
          (candidate, i) => fitted(contender, candidate, lines[i], plain, budget) ?? [],
        ),
      ),
    });
  }
  return all;
}

/** The most images that the plan makes, and their work in plain generations: as if no rung dropped more than its half. */
export function forecast(
  plan: Plan,
  offered: readonly Offer[],
): { readonly images: number; readonly work: number } {
  let [images, work] = [0, 0];
  const add = (count: number, cost: number) => {
    images += count;
    work += count * cost;
  };
  for (const [i, budget] of plan.budgets.entries()) {
    let [left, tuned] = [offered.map(({ byBudget }) => byBudget[i].length), false];
    for (const prompts of plan.rungs[i]) {
      const running = left.filter((count) => count > 1);
      if (running.length === 0) break;
      tuned = true;
      add(prompts, 1);
      for (const count of running) add(prompts * count, budget);
      left = left.map((count) => Math.ceil(count / 2));
    }
    if (!tuned && left.every((count) => count === 0)) continue;
    add(plan.prompts[i] * plan.seeds, 1);
    for (const count of left) if (count > 0) add(plan.prompts[i] * plan.seeds, budget);
  }
  return { images, work };
}

/**
 * Runs what is missing of the experiment, budget by budget. Finished images are not made again.
 *
 * @throws UserError where an evaluation fails; the signal's reason where it is stopped
 */
export async function runExperiment(
  plan: Plan,
  offered: readonly Offer[],
  options: ExperimentOptions,
): Promise<BudgetResult[]> {
  const results: BudgetResult[] = [];
  for (const [i, budget] of plan.budgets.entries()) {
    const choices = await tune(plan, i, offered, options);
    const columns = choices.flatMap(({ label, chosen }) => {
      const contender = plan.contenders.find((one) => one.label === label);
      return chosen === undefined || contender === undefined
        ? []
        : [{ label, method: contender.method, settings: chosen.settings, cost: chosen.cost }];
    });
    const stage: Stage = {
      name: `reported-${budget}`,
      suite: 'toybox',
      prompts: options.prompts.toybox.slice(0, plan.prompts[i]),
      seeds: plan.seeds,
      columns: [plan.reference, ...columns],
      report: true,
    };
    results.push({ budget, choices, evaluation: await run(stage, options, columns) });
  }
  return results;
}

/** The settings of each contender at a budget, by successive halving on tuning prompts. */
async function tune(
  plan: Plan,
  index: number,
  offered: readonly Offer[],
  options: ExperimentOptions,
): Promise<Choice[]> {
  const { reference, rungs, chosenBy, budgets } = plan;
  const field = offered.map(({ contender, byBudget }) => ({
    contender,
    left: byBudget[index].map(
      (one, i): Tried => ({ label: `${contender.label} ${i + 1}`, method: contender.method, ...one }),
    ),
    rungs: [] as { prompts: number; stayed: Given[] }[],
  }));
  const seen = new Map<string, Map<string, number>>();
  let start = 0;
  for (const [r, count] of rungs[index].entries()) {
    const running = field.filter(({ left }) => left.length > 1);
    if (running.length === 0) break;
    const tried = running.flatMap(({ left }) => left);
    const stage: Stage = {
      name: `tuning-${budgets[index]}-${r + 1}`,
      suite: 'toybox-tuning',
      prompts: options.prompts.tuning.slice(start, start + count),
      seeds: 1,
      columns: [reference, ...tried],
      report: false,
    };
    start += count;
    const evaluation = await run(stage, options, tried);
    const plain = scoredImages(evaluation, reference.label);
    for (const { label } of tried) {
      const found = gains(scoredImages(evaluation, label), plain, chosenBy);
      seen.set(label, new Map([...(seen.get(label) ?? []), ...found]));
    }
    for (const one of running) {
      const runners = one.left.map(
        ({ label }): Runner => ({ name: label, gains: seen.get(label) ?? new Map() }),
      );
      const stay = survivors(runners);
      one.left = stay.flatMap((name) => one.left.find(({ label }) => label === name) ?? []);
      one.rungs.push({ prompts: start, stayed: one.left.map(({ settings }) => settings) });
      options.say(
        `budget ${budgets[index]}, ${one.contender.label}: ${one.left.length} of ${runners.length} stay after ${start} prompts`,
      );
    }
  }
  return field.map(({ contender, left, rungs: own }) => {
    const [best] = left;
    return {
      label: contender.label,
      ...(best === undefined ? {} : { chosen: { settings: best.settings, cost: best.cost } }),
      tried: offered.find((one) => one.contender === contender)?.byBudget[index].length ?? 0,
      offered: contender.candidates.length,
      rungs: own,
    };
  });
}

async function run(
  stage: Stage,
  { runStage, signal, onStage, onStageDone }: ExperimentOptions,
  columns: readonly { readonly cost: number }[],
): Promise<Evaluation> {
  const images = stage.prompts.length * stage.seeds;
  const cost = columns.reduce((total, column) => total + column.cost, 1);
  onStage?.(stage.name, images * stage.columns.length, images * cost);
  const evaluation = await runStage(stage, signal);
  onStageDone?.(stage.name);
  return evaluation;
}
