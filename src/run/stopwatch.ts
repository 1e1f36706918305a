/** Starts timing; the function returned gives the milliseconds since, to a tenth. */
export function stopwatch(): () => number {
  const startMs = performance.now();
  return () => Math.round((performance.now() - startMs) * 10) / 10;
}
