// Chromium, what a voter does on a page, and what there is to see of it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** How long a page may take to show what it is waited for. */
export const WAIT_MS = 15_000;
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts Chromium. */
export const launch = (args = []) => chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', ...args] });

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

/** Loads the page again until it shows this: results that many readers share are kept for a second. */
export async function reloadUntil(page, locator) {
  const deadline = Date.now() + WAIT_MS;
  do await page.reload(); while (!(await locator.isVisible()) && Date.now() < deadline);
  await locator.waitFor();
}

/** Another site at this host. It shows the HTML that a function makes at each request. */
export async function withSite(host, makeHtml, use) {
  const server = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(makeHtml()));
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  try {
    await use(`http://${host}:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise(done => server.close(done));
  }
}

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
