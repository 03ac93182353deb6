// A vote from the ballot to the results, with scripts and without, and what disturbs it.
import assert from 'node:assert/strict';
import { NO_SCRIPT, REFUSED, SCRIPTING, pageTest } from './browser.mjs';
import { hasText, isRecorded, reloadUntil, send, voteFor } from './page.mjs';
import { assertVotes, inSeconds, makePoll, pageOf, vote, voteOf } from './stack.mjs';

const ownOption = page => page.locator('li:has(.own) bdi').innerText();
const figures = (page, option) => page.getByRole('listitem').filter({ hasText: option }).locator('span').innerText();
const isPost = route => route.request().method() === 'POST';

/** Lets `disturb` answer the first POST, and the server all others. */
async function disturbFirstPost(page, disturb) {
  let posts = 0;
  await page.route('**/p/*', route => (isPost(route) && posts++ === 0 ? disturb(route) : route.continue()));
  return () => posts;
}

for (const [how, options] of SCRIPTING) {
  pageTest(`a vote is recorded, marked and counted ${how}`, options, async ({ page }) => {
    const poll = await makePoll();
    await page.goto(pageOf(poll));
    await voteFor(page, 'Tea');
    await page.getByText('Your vote: Tea').waitFor();
    await reloadUntil(page, page.getByText('1 vote', { exact: true }));
    assert.equal(await ownOption(page), 'Tea');
    assert.equal(await figures(page, 'Tea'), '1 100.0%');
    assert.equal(await figures(page, 'Coffee'), '0 0.0%');
    await assertVotes(poll, { Tea: 1 });
  });

  pageTest(`a vote is changed and withdrawn ${how}`, options, async ({ page, context }) => {
    const poll = await makePoll({ vote_change: 'until_close' });
    await page.goto(pageOf(poll));
    await voteFor(page, 'Tea');
    await page.getByRole('link', { name: 'Change my vote' }).click();
    assert(await page.getByLabel('Tea').isChecked(), 'the ballot shows the vote that stands');
    await voteFor(page, 'Coffee');
    await page.getByText('Your vote: Coffee').waitFor();
    assert.deepEqual(await voteOf(context, poll), { choices: [1] });
    await page.getByRole('button', { name: 'Withdraw my vote' }).click();
    await page.getByText('Your vote is withdrawn.').waitFor();
    await page.getByLabel('Tea').waitFor();
    await assertVotes(poll, {});
  });

  pageTest(`reloading and going back after a vote vote no second time ${how}`, options, async ({ page }) => {
    const poll = await makePoll();
    await page.goto(pageOf(poll));
    await voteFor(page, 'Tea');
    await page.reload();
    await isRecorded(page);
    await page.goto(pageOf(poll, '?lang=en&view=results'));
    await page.goBack();
    await isRecorded(page);
    await assertVotes(poll, { Tea: 1 });
  });
}

pageTest('a vote that never changes is refused a second time and stands', { ...NO_SCRIPT, allows: REFUSED }, async ({ page, context }) => {
  const poll = await makePoll();
  await page.goto(pageOf(poll));
  const second = await context.newPage();
  await second.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await second.getByLabel('Coffee').check();
  await send(second);
  await second.getByText('You have voted before').waitFor();
  await assertVotes(poll, { Tea: 1 });
});

pageTest('a form with nothing chosen is refused in words', { ...NO_SCRIPT, allows: REFUSED }, async ({ page }) => {
  const poll = await makePoll({ kind: 'multiple' });
  await page.goto(pageOf(poll));
  await send(page);
  await hasText(page.getByRole('alert'), 'Choose an option.');
  await assertVotes(poll, {});
});

pageTest('with JavaScript the form goes by fetch', {}, async ({ page }) => {
  const poll = await makePoll();
  await page.goto(pageOf(poll));
  const posted = page.waitForRequest(request => request.method() === 'POST');
  await voteFor(page, 'Tea');
  assert.equal((await posted).resourceType(), 'fetch');
});

pageTest("results show another device's vote and leave the focus where it is", {}, async ({ page }) => {
  const poll = await makePoll({ vote_change: 'until_close' });
  await page.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await hasText(page.locator('.count'), '1 vote');
  await page.getByRole('button', { name: 'Withdraw my vote' }).focus();
  await vote(poll, { choices: [1] });
  await hasText(page.locator('.count'), '2 votes');
  assert.equal(await figures(page, 'Coffee'), '1 50.0%');
  assert.equal(await ownOption(page), 'Tea', 'the own choice stays marked');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Withdraw my vote');
});

pageTest('results that only voters see are live too', {}, async ({ page }) => {
  const poll = await makePoll({ results: 'after_vote' });
  await page.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await vote(poll, { choices: [1] });
  await hasText(page.locator('.count'), '2 votes');
});

pageTest('the countdown locks the ballot when the poll closes', {}, async ({ page }) => {
  const poll = await makePoll({ closes_at: inSeconds(6) });
  await page.goto(pageOf(poll));
  await page.getByLabel('Tea').check();
  await hasText(page.locator('#how'), /Open for another 00:0\d\./);
  await hasText(page.locator('#how'), 'This poll is closed.');
  assert(await page.getByRole('button', { name: 'Vote' }).isDisabled());
  assert(await page.getByLabel('Tea').isDisabled());
  await page.reload();
  await page.getByText('This poll is closed.').waitFor();
  assert.equal(await page.locator('form').count(), 0);
});

const DISTURBANCES = [
  ['a 429', route => route.fulfill({ status: 429, headers: { 'Retry-After': '1' } })],
  ['a 503', route => route.fulfill({ status: 503, headers: { 'Retry-After': '1' } })],
  ['a lost connection', route => route.abort()],
  ['a lost answer', async route => { await route.fetch({ maxRedirects: 0 }); await route.abort(); }],
];
for (const [name, disturb] of DISTURBANCES) {
  pageTest(`${name} keeps the ballot, and the vote counts once`, { allows: /^Failed to load resource/ }, async ({ page }) => {
    const poll = await makePoll();
    await page.goto(pageOf(poll));
    const posts = await disturbFirstPost(page, disturb);
    await page.getByLabel('Tea').check();
    await send(page);
    await hasText(page.getByRole('status'), 'Still trying');
    assert(await page.getByLabel('Tea').isChecked());
    await isRecorded(page);
    assert.equal(posts(), 2);
    await assertVotes(poll, { Tea: 1 });
  });
}
