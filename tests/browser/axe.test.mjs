// axe finds nothing wrong in any state of the page, light and dark, from left to right and from right to left.
import assert from 'node:assert/strict';
import { REFUSED, pageTest } from './browser.mjs';
import { KINDS } from './kinds.mjs';
import { axeViolations, send, voteFor, withSite } from './page.mjs';
import { makePoll, inSeconds, nowhere, pageOf, pausePoll, resultsOf, vote } from './stack.mjs';

const open = async (page, settings, query) => page.goto(pageOf(await makePoll(settings), query));

/** A poll in which the browser and another device have voted. */
const openVoted = async (page, settings, query) => {
  const poll = await makePoll(settings);
  await page.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await vote(poll, { choices: [1] });
  await resultsOf(poll, 2);
  await page.goto(pageOf(poll, query));
};

/** A poll in which another tab has voted since this page was loaded. */
const voteAfterAnotherTab = async (page, settings, query) => {
  const poll = await makePoll(settings);
  await page.goto(pageOf(poll, query));
  const first = await page.context().newPage();
  await first.goto(pageOf(poll));
  await voteFor(first, 'Coffee');
  await page.getByLabel('Tea').check();
  await send(page);
  await page.locator('.note.warn').waitFor();
};

/** A poll of a kind after votes. */
const openResults = async (page, { poll: settings, vote: ballot }, query) => {
  const poll = await makePoll(settings);
  await Promise.all([vote(poll, ballot), vote(poll, ballot)]);
  await resultsOf(poll, 2);
  await page.goto(pageOf(poll, `${query}&view=results`));
};

/** How long a poll takes to be paused everywhere. */
const PAUSED_WITHIN_MS = 20_000;

/** How each state is reached in the language of a query. */
const STATES = {
  'a vote that stands': (page, query) => openVoted(page, {}, query),
  'a vote that may change': (page, query) => openVoted(page, { vote_change: 'until_close' }, query),
  'a vote under change': (page, query) => openVoted(page, { vote_change: 'until_close' }, `${query}&view=ballot`),
  'a vote that was withdrawn': async (page, query) => {
    await openVoted(page, { vote_change: 'until_close' }, query);
    await page.locator('button.second').click();
    await page.locator('form[data-sending]').waitFor();
  },
  'a second vote that is refused': (page, query) => voteAfterAnotherTab(page, {}, query),
  'a vote that another tab has changed': (page, query) => voteAfterAnotherTab(page, { vote_change: 'until_close' }, query),
  'a poll that is paused': async (page, query) => {
    const poll = await makePoll();
    await pausePoll(poll);
    await page.goto(pageOf(poll, query));
    for (const deadline = Date.now() + PAUSED_WITHIN_MS; !(await page.locator('.note.warn').isVisible());) {
      assert(Date.now() < deadline, 'the poll is paused');
      await page.reload();
    }
  },
  'a device that others use next': async (page, query) => {
    const poll = await makePoll({ devices: 'shared' });
    await page.goto(pageOf(poll, query));
    await page.locator('input[type=radio]').first().check();
    await send(page);
    await page.locator('[data-next]').waitFor();
  },
  'an own vote that is hidden': (page, query) => openVoted(page, { own_vote: 'hide' }, query),
  'results that wait for the closing': (page, query) =>
    open(page, { results: 'after_close', closes_at: inSeconds(1000) }, `${query}&view=results`),
  'votes over time': (page, query) => openVoted(page, { series: true }, query),
  'a form of another site': async (page, query) => {
    const poll = await makePoll();
    const form = `<form method="post" action="${pageOf(poll, query)}"><button name="c" value="0">Win</button></form>`;
    await withSite('127.0.0.1', () => form, async site => {
      await page.goto(site);
      await page.getByRole('button').click();
      await page.locator('a.button').waitFor();
    });
  },
  'a form that is refused': async (page, query) => {
    await open(page, { kind: 'multiple' }, query);
    await send(page);
    await page.getByRole('alert').waitFor();
  },
  'an open poll that closes': (page, query) => open(page, { closes_at: inSeconds(1000) }, query),
  'a poll that is not open yet': (page, query) => open(page, { opens_at: inSeconds(1000) }, query),
  'a poll that is closed': async (page, query) => {
    await open(page, { closes_at: inSeconds(2.5) }, query);
    await page.locator('fieldset:disabled').waitFor();
    await page.reload();
  },
  'results that are hidden': (page, query) => open(page, { results: 'after_vote' }, `${query}&view=results`),
  'results without a vote': (page, query) => open(page, {}, `${query}&view=results`),
  'a poll of accounts': (page, query) => open(page, { identity: 'account' }, query),
  'the view for a wall': (page, query) => openVoted(page, {}, `${query}&view=stage`),
  'the view for a wall, of answers': (page, query) => openResults(page, KINDS.text, `${query}&view=stage`),
  'the list of languages': async (page, query) => {
    await open(page, {}, query);
    await page.locator('summary').click();
  },
  'a poll that does not exist': (page, query) => page.goto(pageOf({ poll_id: 'nobody-made-this' }, query)),
  'a browser that keeps no cookies': async (page, query) => {
    await open(page, {}, query);
    await page.getByLabel('Tea').check();
    await page.context().clearCookies();
    await send(page);
    await page.locator('a.button').waitFor();
  },
};
for (const [name, kind] of Object.entries(KINDS)) {
  STATES[`a ballot of kind ${name}`] = (page, query) => open(page, kind.poll, query);
  STATES[`results of kind ${name}`] = (page, query) => openResults(page, kind, query);
}

const SCHEMES = ['light', 'dark'];

async function violationsInAllSchemes(page) {
  const found = [];
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    found.push(...(await axeViolations(page)).map(violation => `${colorScheme}: ${violation}`));
  }
  return found;
}

for (const [state, reach] of Object.entries(STATES)) {
  for (const lang of ['en', 'ar']) {
    pageTest(`axe finds nothing wrong in ${lang} with ${state}`, { allows: REFUSED }, async ({ page }) => {
      await reach(page, `?lang=${lang}`);
      assert.deepEqual(await violationsInAllSchemes(page), []);
    });
  }
}

pageTest("axe finds nothing wrong with the gateway's own page", { allows: REFUSED, bypassCSP: true }, async ({ page }) => {
  await page.goto(nowhere);
  assert.deepEqual(await violationsInAllSchemes(page), []);
});

pageTest('axe finds nothing wrong in a ranking whose script did not load', {}, async ({ page }) => {
  const poll = await makePoll(KINDS.ranked.poll);
  await page.route(pageOf(poll), async route => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/<script>.*<\/script>/s, '') });
  });
  await page.goto(pageOf(poll));
  await page.getByRole('combobox').first().waitFor();
  assert.deepEqual(await violationsInAllSchemes(page), []);
});
