// Real Chromium, started once for each file. Each test has a browser of its own: no cookie or cache is shared.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WAIT_MS, launch } from './page.mjs';

const TEST_MS = 60_000;

const browser = await launch();
after(() => browser.close());

/** A context without scripts. */
export const NO_SCRIPT = { javaScriptEnabled: false };
/** Both ways to run a page, with a name for each. */
export const SCRIPTING = [['without JavaScript', NO_SCRIPT], ['with JavaScript', {}]];
/** What Chromium reports of every answer that is not a success. */
export const REFUSED = /^Failed to load resource: the server responded with a status of/;

/**
 * A test in a new browser. It fails on any error that a page reports, other than those that match `allows`. The body gets
 * the page, its context and `newContext` for further browsers.
 */
export function pageTest(name, { allows, ...options }, body) {
  test(name, { timeout: TEST_MS }, async t => {
    const contexts = [], problems = [];
    const newContext = async more => {
      const context = await browser.newContext({ locale: 'en', ...options, ...more });
      context.setDefaultTimeout(WAIT_MS);
      collectProblems(context, problems);
      contexts.push(context);
      return context;
    };
    try {
      const context = await newContext();
      await body({ t, context, newContext, page: await context.newPage() });
      assert.deepEqual(problems.filter(problem => !allows?.test(problem)), [], 'errors that the pages report');
    } finally {
      await Promise.all(contexts.map(context => context.close()));
    }
  });
}

/** Violations of the content security policy are among the errors in the console. */
function collectProblems(context, problems) {
  context.on('console', message => {
    if (message.type() === 'error') problems.push(`${message.text()} ${message.location().url}`);
  });
  context.on('weberror', error => problems.push(String(error.error())));
}
