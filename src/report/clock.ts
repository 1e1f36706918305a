/** Milliseconds on a clock that nobody sets. For performance.now() Node loads a module: 2 ms of every command. */
export function nowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Starts timing; the function returned gives the milliseconds since. */
export function stopwatch(): () => number {
  const startMs = nowMs();
  return () => nowMs() - startMs;
}
