#!/usr/bin/env node
// Kept in the repository so that npm finds it to link before the first build has made dist/.
// Its syntax is that of 2015 and `import()`, so that an old Node can read it and say that it is too old.
var needed = [20, 19];
var own = process.versions.node.split('.').map(Number);
if (own[0] > needed[0] || (own[0] === needed[0] && own[1] >= needed[1])) {
  import('../dist/cli/main.js').catch((error) => {
    // What keeps the program itself from being read: too few descriptors or too little memory, or a broken installation.
    console.error(
      process.env.SGOOL_DEBUG ? error : `sgool: cannot start: ${String(error.message).split('\n')[0]}`,
    );
    process.exitCode = 1;
  });
} else {
  process.stderr.write(
    'sgool: needs Node ' +
      needed.join('.') +
      ' or later, this is ' +
      process.versions.node +
      '; update it, for instance from https://nodejs.org\n',
  );
  process.exitCode = 1;
}
