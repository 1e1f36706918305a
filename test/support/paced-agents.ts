import { defineFixture } from '../../src/fixtures/define-fixture.js';
import type { Fixture } from '../../src/fixtures/fixture.js';

/** 5,000 agents; `before` is awaited before each of them. */
export function pacedAgents(name: string, before: (g: number) => Promise<void> | undefined): Fixture {
  return defineFixture({
    name,
    table: 'agents',
    count: 5_000,
    columns: { id: 'text', name: 'text', hostname: 'text', api_key_hash: 'text' },
    conflictKeys: [['id']],
    mark: { column: 'id', prefix: `ag-${name}-` },
    async *rows(first, last) {
      for (let g = first; g <= last; g++) {
        await before(g);
        yield [`ag-${name}-${g}`, `${name}-${g}`, 'h', 'x'];
      }
    },
  });
}
