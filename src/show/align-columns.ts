/** Lines of cells, each column as wide as its widest cell; `right` names the columns of numbers. */
export function alignColumns(lines: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const aligned = (cell: string, column: number): string =>
    right.includes(column) ? cell.padStart(widths?.[column] ?? 0) : cell.padEnd(widths?.[column] ?? 0);
  return lines.map((cells) => `${cells.map(aligned).join('  ').trimEnd()}\n`).join('');
}
