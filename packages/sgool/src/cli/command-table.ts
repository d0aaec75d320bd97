/** @file The commands: what each is for, and how it is loaded. Nothing of them is loaded before one is wanted. */
import type { Command } from 'commander';
import type { Host } from './host.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Whether it makes images: then it runs in a thread, and signals stop it in an orderly way. */
  readonly makesImages?: true;
  load(): Promise<{ configure(command: Command, host: Host): void }>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'generate',
    makesImages: true,
    summary: 'make an image that matches a prompt',
    load: () => import('./commands/generate.ts'),
  },
  {
    name: 'video',
    makesImages: true,
    summary: 'make a clip that matches a prompt',
    load: () => import('./commands/video.ts'),
  },
  {
    name: 'refine',
    makesImages: true,
    summary: 'change an image until it matches a prompt better',
    load: () => import('./commands/refine.ts'),
  },
  {
    name: 'detail',
    makesImages: true,
    summary: 'repaint the salient regions of an image, each enlarged',
    load: () => import('./commands/detail.ts'),
  },
  {
    name: 'repeat',
    makesImages: true,
    summary: 'make an image again from what it says of itself',
    load: () => import('./commands/repeat.ts'),
  },
  {
    name: 'runs',
    summary: 'list runs: those that go on, are finished, were stopped or died',
    load: () => import('./commands/runs.ts'),
  },
  {
    name: 'resume',
    makesImages: true,
    summary: 'go on with a run that was stopped or died',
    load: () => import('./commands/resume.ts'),
  },
  {
    name: 'saliency',
    summary: 'show the salient regions of an image',
    load: () => import('./commands/saliency.ts'),
  },
  {
    name: 'attention',
    summary: 'show which parts of an image read which words of its prompt',
    load: () => import('./commands/attention.ts'),
  },
  {
    name: 'score',
    summary: 'score how well an image matches a prompt: CLIP and preference models',
    load: () => import('./commands/score.ts'),
  },
  {
    name: 'prompt',
    summary: 'show how a prompt is read: weights, changes, chunks, tags',
    load: () => import('./commands/prompt.ts'),
  },
  {
    name: 'finetune',
    makesImages: true,
    summary: 'change a few weights of a model, so that the objects of prompts stop covering each other',
    load: () => import('./commands/finetune.ts'),
  },
  {
    name: 'adapters',
    summary: 'inspect the adapters of fine-tunings, and merge them into models',
    load: () => import('./commands/adapters.ts'),
  },
  {
    name: 'evaluate',
    summary: 'run methods over prompt suites, score every image, report',
    load: () => import('./commands/evaluate.ts'),
  },
  {
    name: 'study',
    summary: 'put the images of an evaluation before people: make, serve and report a study',
    load: () => import('./commands/study.ts'),
  },
  {
    name: 'worker',
    summary: 'run the cells of evaluations from a queue, on many machines',
    load: () => import('./commands/worker.ts'),
  },
  {
    name: 'suites',
    summary: 'list, add and fetch the prompt suites of evaluations',
    load: () => import('./commands/suites.ts'),
  },
  {
    name: 'models',
    summary: 'list, inspect, download and check models',
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'devices',
    summary: 'list what computes on this machine, and add the files for NVIDIA cards',
    load: () => import('./commands/devices.ts'),
  },
  {
    name: 'methods',
    summary: 'list the methods: what each does, what it costs, when to take it, its options',
    load: () => import('./commands/methods.ts'),
  },
];

/** Whether a command line is to run in a thread. */
export function runsInThread(argv: readonly string[]): boolean {
  return wantedBy(argv)?.makesImages === true;
}

/** The command that a command line names. */
export const wantedBy = (argv: readonly string[]) =>
  COMMANDS.find(({ name }) => name === argv.find((word) => COMMANDS.some((one) => one.name === word)));
