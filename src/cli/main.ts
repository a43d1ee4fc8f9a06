#!/usr/bin/env node
/**
 * spark-rl. Results go to stdout (one JSON document with --json), everything else to stderr. Exit codes: 0 done,
 * 1 failed, 2 wrong usage, 130 interrupted and resumable.
 */
import './guard.js';
import { hideBin } from 'yargs/helpers';
import { runProgram } from './program.js';
import { EXIT_FAILED } from './run.js';
import { guardStreams } from './streams.js';

guardStreams(EXIT_FAILED);
await runProgram(hideBin(process.argv));
