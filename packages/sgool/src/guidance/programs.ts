/** @file Compiled programs, made when first needed and kept. */
import { type CompileOptions, compile, type Graph, type Program } from '@sgool/autodiff';

export class ProgramCache {
  private readonly options: CompileOptions;
  private readonly programs = new Map<string, Promise<Program>>();
  private disposed = false;

  constructor(options: CompileOptions) {
    this.options = options;
  }

  /**
   * The program called `key`; `build` traces it when it is asked for the first time. Everything that shapes the graph
   * (sizes, options) must be part of the key.
   */
  get(key: string, build: () => Graph): Promise<Program> {
    if (this.disposed) throw new Error('pipeline: it was disposed');
    let program = this.programs.get(key);
    if (!program) {
      program = Promise.resolve().then(() => compile(build(), this.options));
      this.programs.set(key, program);
      program.catch(() => this.programs.delete(key));
    }
    return program;
  }

  /** Frees all sessions. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const programs = await Promise.allSettled(this.programs.values());
    this.programs.clear();
    for (const program of programs) if (program.status === 'fulfilled') await program.value.dispose();
  }
}
