/** @file `sgool study serve <study>`: opens a study as a local page, until Ctrl-C. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import {
  hostInUrl,
  isLoopback,
  nameInHost,
  namesOf,
  nameToGive,
} from '../../../evaluate/study/serve/guards.ts';
import { listenStudy } from '../../../evaluate/study/serve/listen.ts';
import { studyApp } from '../../../evaluate/study/serve/study-app.ts';
import { picturePath, readStudy } from '../../../evaluate/study/study.ts';
import type { Host } from '../../host.ts';
import { wholeNumber } from '../../options/whole-number.ts';
import { oneLine } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { usageError } from '../../usage-error.ts';

const NOTES = `
Any number of raters may open the page, at once or one after the other. Each
answer is on the disk before the next pair is shown. A rater who closes the page
goes on in the same browser, or with the link in the address bar.

Without --host only this machine can open the page. With it, or with --name for
a proxy or tunnel, the address has a random token, which is printed once. Send
it over a connection that you trust: the page is plain http.`;

interface ServeFlags {
  readonly host?: string;
  readonly port: string;
  readonly name?: readonly string[];
  readonly token?: string;
}

export function configureServe(parent: Command, host: Host): void {
  parent
    .command('serve')
    .description('open a study as a page in the browser')
    .argument('<study>', 'folder of the study')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all (default: this machine only)')
    .option('--port <n>', 'port; 0 for a free one', '4747')
    .option(
      '--name <name>',
      'one more name under which the page is asked: that of a proxy or tunnel',
      (name: string, before: readonly string[] = []) => [...before, name],
    )
    .option(
      '--token <text>',
      'the token of the address, 16 characters or more, for a server that is started again (default: random)',
    )
    .addHelpText('after', NOTES)
    .action((folder: string, flags: ServeFlags) => serve(resolve(host.cwd, folder), flags, host));
}

async function serve(folder: string, flags: ServeFlags, host: Host): Promise<void> {
  const { host: address = '127.0.0.1', name: names = [] } = flags;
  const port = wholeNumber('--port', flags.port, 0, 65_535);
  for (const name of names) {
    if (nameInHost(name) !== name.toLowerCase())
      throw usageError(
        `--name: not usable, got ${name || 'nothing'}; give a host name without http:// and without a port`,
      );
  }
  if (flags.token !== undefined && !/^[\w-]{16,128}$/.test(flags.token))
    throw usageError(
      `--token: not usable, got ${flags.token.length} characters; give from 16 to 128 letters, digits, dashes and _`,
    );
  const study = await readStudy(folder);
  const gone = study.pairs.flatMap(({ a, b }) => [a, b]).find((one) => !existsSync(picturePath(folder, one)));
  if (gone !== undefined)
    throw new UserError(
      `${picturePath(folder, gone)}: the picture is missing; copy the whole folder of the study`,
    );
  const isOpen = isLoopback(address) && names.length === 0;
  const token = flags.token ?? (isOpen ? undefined : randomBytes(32).toString('base64url'));
  const say = (line: string) => void host.stderr.write(`sgool: ${oneLine(line)}\n`);
  const application = studyApp({
    folder,
    study,
    names: namesOf(address, names),
    token,
    onProblem: say,
    now: () => host.now(),
  });
  const server = await listenStudy(application, { host: address, port });
  const interrupt = watchInterrupts(host, {
    onFirst: () => say('ending; all answers so far are stored'),
    onForced: () => undefined,
  });
  try {
    const place = `http://${hostInUrl(names[0] ?? nameToGive(address))}:${server.port}/`;
    host.stdout.write(`${place}${token === undefined ? '' : `?token=${token}`}\n`);
    say(`${study.pairs.length} pairs; give raters this address, and end with Ctrl-C`);
    await new Promise<void>((done) => {
      if (interrupt.signal.aborted) done();
      else interrupt.signal.addEventListener('abort', () => done(), { once: true });
    });
  } finally {
    await server.close();
    interrupt.dispose();
  }
  const raters = await application.votes.all();
  const answers = raters.reduce((total, log) => total + log.answers.size, 0);
  say(`${raters.length} raters, ${answers} answers; sgool study report shows what they say`);
}
