#!/usr/bin/env node
// Kept in the repository so that npm finds it to link before the first build has made dist/.
import '../dist/cli/main.js';
