// What a poll's owner sets for its page: devices that many share, own votes that are hidden, other sites' frames, walls.
import assert from 'node:assert/strict';
import { SCRIPTING, pageTest } from './browser.mjs';
import { hasText, isRecorded, send, voteFor, withSite } from './page.mjs';
import { assertVotes, deviceOf, inSeconds, linkTo, makePoll, pageOf, sharedDeviceOf, vote, voteOf } from './stack.mjs';

/** How long results may take to be shown after a closing: up to ten seconds until they are asked for, and the final count. */
const SHOWN_MS = 40_000;

for (const [how, options] of SCRIPTING) {
  pageTest(`a shared device asks for the next voter ${how}`, options, async ({ page, context }) => {
    const poll = await makePoll({ devices: 'shared' });
    await page.goto(pageOf(poll));
    for (const drink of ['Tea', 'Coffee']) {
      const before = await sharedDeviceOf(context, poll);
      await page.getByLabel(drink).check();
      await send(page);
      const next = page.getByRole('link', { name: 'Next, please' });
      await next.waitFor();
      assert.equal(await page.getByText('Your vote:').count(), 0, 'nobody reads the vote before');
      // The script follows the link by itself.
      if (options.javaScriptEnabled === false) await next.click();
      await page.getByLabel('Tea').waitFor();
      assert.notEqual(await sharedDeviceOf(context, poll), before);
    }
    assert.equal(await deviceOf(context), undefined, 'the browser is nobody in other polls');
    await assertVotes(poll, { Tea: 1, Coffee: 1 });
  });

  pageTest(`an own vote that is hidden stands, and is not shown ${how}`, options, async ({ page, context }) => {
    const poll = await makePoll({ own_vote: 'hide', vote_change: 'until_close' });
    await page.goto(pageOf(poll));
    await voteFor(page, 'Tea');
    assert.equal(await page.getByText('Your vote:').count(), 0);
    assert.equal(await page.locator('.own').count(), 0);
    await page.getByRole('link', { name: 'Change my vote' }).click();
    assert.equal(await page.locator('input:checked').count(), 0, 'the ballot is empty');
    await voteFor(page, 'Coffee');
    assert.deepEqual(await voteOf(context, poll), { choices: [1] });
  });

  pageTest(`a site that the poll lists frames its results, and the ballot opens beside it ${how}`, options, async ({ page, context }) => {
    let poll;
    await withSite('127.0.0.1', () => `<iframe width="400" height="600" src="${pageOf(poll)}"></iframe>`, async site => {
      poll = await makePoll({ embed: [new URL(site).origin] });
      await page.goto(site);
      const frame = page.frameLocator('iframe');
      await frame.getByRole('heading', { name: 'Results' }).waitFor();
      assert.deepEqual([await frame.locator('form').count(), await deviceOf(context)], [0, undefined]);
      const [opened] = await Promise.all([
        context.waitForEvent('page'),
        frame.getByRole('link', { name: 'Vote (opens a new tab)' }).click(),
      ]);
      await opened.getByLabel('Tea').check();
      await send(opened);
      await isRecorded(opened);
      if (options.javaScriptEnabled !== false) await hasText(frame.locator('.count'), '1 vote');
    });
    await assertVotes(poll, { Tea: 1 });
  });
}

pageTest('a wall shows hidden results by a link that leaves its address', {}, async ({ page, newContext }) => {
  const poll = await makePoll({ results: 'owner' });
  await page.goto(pageOf(poll, `?view=stage&link=${await linkTo(poll)}`));
  assert.equal(page.url(), pageOf(poll, '?lang=en&view=stage'));
  assert.equal(await page.evaluate(() => document.cookie), '');
  await vote(poll, { choices: [0] });
  await hasText(page.locator('.count'), '1 vote');
  const other = await (await newContext()).newPage();
  await other.goto(pageOf(poll, '?view=stage'));
  await other.getByText('The results of this poll are not public.').waitFor();
});

pageTest('results that wait for the closing appear by themselves', {}, async ({ page }) => {
  const poll = await makePoll({ results: 'after_close', closes_at: inSeconds(6) });
  await page.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await page.getByText('Results will be shown when the poll is closed.').waitFor();
  await page.locator('.count').waitFor({ timeout: SHOWN_MS });
  await hasText(page.locator('.count'), '1 vote');
});

pageTest('a poll that is counted by time shows its results', {}, async ({ page }) => {
  const poll = await makePoll({ series: true });
  await vote(poll, { choices: [1] });
  await page.goto(pageOf(poll, '?view=results'));
  await hasText(page.locator('.count'), '1 vote');
});

pageTest('another language shows the same view', {}, async ({ page }) => {
  await page.goto(pageOf(await makePoll(), '?view=results'));
  await page.locator('summary').click();
  await page.getByRole('link', { name: 'Deutsch' }).click();
  await page.getByRole('heading', { name: 'Ergebnis', exact: true }).waitFor();
});

pageTest('search engines are asked to stay away unless the poll is listed', {}, async ({ page }) => {
  for (const [listed, tags] of [[false, 1], [true, 0]]) {
    await page.goto(pageOf(await makePoll({ listed })));
    assert.equal(await page.locator('meta[name=robots][content=noindex]').count(), tags);
    assert.equal(await page.locator('meta[property="og:title"]').getAttribute('content'), 'What would you like?');
  }
});
