#!/usr/bin/env node
import { keepCompiledCode } from './commands/compile-cache.js';

// The command line may hold a password: take it out of ps.
process.title = 'scale-seed';

keepCompiledCode();
// Loaded only now, so that it is among what is kept.
const { runProgram } = await import('./commands/program.js');
await runProgram();
