#!/usr/bin/env node

// The command line may hold a password: take it out of ps.
process.title = 'scale-seed';

const { runProgram } = await import('./commands/program.js');
await runProgram();
