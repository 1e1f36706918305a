import type { Client, ClientBase, Pool } from 'pg';
import {
  chooseFixtures,
  ci,
  clean,
  defineFixture,
  load,
  manifest,
  reset,
  verify,
  type CiReport,
  type CleanReport,
  type ErrorCode,
  type Fixture,
  type FixtureDefinition,
  type LoadOptions,
  type LoadReport,
  type Manifest,
  type Report,
  type ResetReport,
  type RunEvent,
  type ScaleSeedError,
  type seedParents,
  type VerifyReport,
} from 'scale-seed';
import { describe, expectTypeOf, it } from 'vitest';

describe('an operation', () => {
  it('needs no options, and resolves to its report', () => {
    expectTypeOf(load).toBeCallableWith();
    expectTypeOf(load).returns.resolves.toEqualTypeOf<LoadReport>();
    expectTypeOf(verify).returns.resolves.toEqualTypeOf<VerifyReport>();
    expectTypeOf(reset).returns.resolves.toEqualTypeOf<ResetReport>();
    expectTypeOf(clean).returns.resolves.toEqualTypeOf<CleanReport>();
    expectTypeOf(ci).returns.resolves.toEqualTypeOf<CiReport>();
    expectTypeOf(manifest).returns.resolves.toEqualTypeOf<Manifest>();
  });

  it('takes what may be undefined, under exactOptionalPropertyTypes too', () => {
    const databaseUrl = undefined as string | undefined;
    const signal = undefined as AbortSignal | undefined;
    expectTypeOf(load).toBeCallableWith({ databaseUrl, signal });
    expectTypeOf(ci).toBeCallableWith({ databaseUrl, signal });
  });

  it('rejects options that it does not have', () => {
    // @ts-expect-error a slip of the pen
    expectTypeOf(load).toBeCallableWith({ databaseURL: 'postgresql://localhost/certctl' });
    // @ts-expect-error none of the two modes
    expectTypeOf(load).toBeCallableWith({ mode: 'offline' });
    expectTypeOf<LoadOptions['mode']>().toEqualTypeOf<'online' | 'exclusive' | undefined>();
  });

  it('gives every report and event a word that tells its kind', () => {
    expectTypeOf<Report['command']>().toEqualTypeOf<'load' | 'verify' | 'reset' | 'clean' | 'ci'>();
    expectTypeOf<Extract<Report, { command: 'ci' }>>().toEqualTypeOf<CiReport>();
    expectTypeOf<Extract<RunEvent, { type: 'notice' }>['message']>().toBeString();
  });
});

describe('a fixture', () => {
  it('is made of a definition, and is what operations take', () => {
    expectTypeOf(defineFixture).parameter(0).toEqualTypeOf<FixtureDefinition>();
    expectTypeOf(defineFixture).returns.toEqualTypeOf<Fixture>();
    expectTypeOf(chooseFixtures).returns.toExtend<NonNullable<LoadOptions['fixtures']>>();
  });

  it('yields its rows at once or one by one', () => {
    expectTypeOf<Iterable<unknown[]>>().toExtend<ReturnType<Fixture['rows']>>();
    expectTypeOf<AsyncGenerator<unknown[]>>().toExtend<ReturnType<Fixture['rows']>>();
    expectTypeOf<number>().not.toExtend<ReturnType<Fixture['rows']>>();
  });

  it('cannot be changed', () => {
    expectTypeOf<Fixture['conflictKeys']>().toEqualTypeOf<readonly (readonly string[])[]>();
    // @ts-expect-error defineFixture checks once, and freezes
    expectTypeOf((fixture: Fixture) => (fixture.count = 1)).toBeFunction();
  });
});

describe('an error', () => {
  it('has a code that scripts may compare', () => {
    expectTypeOf<ScaleSeedError>().toExtend<Error>();
    expectTypeOf<ScaleSeedError['code']>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<'interrupted'>().toExtend<ErrorCode>();
    expectTypeOf<string>().not.toExtend<ErrorCode>();
  });
});

describe('seedParents', () => {
  type Taken = Parameters<typeof seedParents>[0];

  it('takes any client of the driver', () => {
    expectTypeOf<Client>().toExtend<Taken>();
    expectTypeOf<ClientBase>().toExtend<Taken>();
    expectTypeOf<Pool>().toExtend<Taken>();
  });
});
