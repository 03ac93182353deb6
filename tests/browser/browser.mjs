// Real Chromium, started once for each file. Each test has a browser of its own: no cookie or cache is shared.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const WAIT_MS = 15_000;
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts Chromium. */
export const launch = (args = []) => chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', ...args] });

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
  test(name, async t => {
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

/** Violations of the content security policy are among the errors in the console. A test of its own looks at the icon. */
function collectProblems(context, problems) {
  context.on('console', message => {
    const { url } = message.location();
    if (message.type() === 'error' && !isIcon(url)) problems.push(`${message.text()} ${url}`);
  });
  context.on('weberror', error => problems.push(String(error.error())));
}

/** Whether an address is where browsers look for an icon that no page names. */
export const isIcon = url => url.endsWith('/favicon.ico');

/** Presses the button that sends the ballot. */
export const send = page => page.locator('button.main').click();

/** Waits until the page says that the vote is recorded. */
export const isRecorded = page => page.getByText('Your vote is recorded.').waitFor();

/** Votes for a drink and waits for the answer. */
export async function voteFor(page, drink) {
  await page.getByLabel(drink).check();
  await send(page);
  await isRecorded(page);
}

/** Waits until an element's text is this. */
export const hasText = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

/** Fails if the page is wider than the window. */
export async function assertFitsWidth(page, state) {
  const [content, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert(content <= room, `${state}: the page is ${content} px wide in a window of ${room} px`);
}

/** What axe finds wrong: its rule, and the elements. */
export async function axeViolations(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`);
}
