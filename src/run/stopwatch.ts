/** Starts timing; the function returned gives the milliseconds since. */
export function stopwatch(): () => number {
  const startMs = performance.now();
  return () => performance.now() - startMs;
}
