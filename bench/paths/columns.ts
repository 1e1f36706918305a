import { columnsOf, type Fixture } from '../../src/fixtures/fixture.js';

export function namesOf(fixture: Fixture): string[] {
  return columnsOf(fixture).map(({ name }) => name);
}

/** The columns' types as PostgreSQL names them. */
export function typesOf(fixture: Fixture): string[] {
  return columnsOf(fixture).map(({ type }) => (type === 'timestamptz after anchor' ? 'timestamptz' : type));
}
