// Signing in on the page, at a real OpenID Provider, with scripts and without.
import assert from 'node:assert/strict';
import { NO_SCRIPT, SCRIPTING, pageTest } from './browser.mjs';
import { axeViolations, assertFitsWidth, isRecorded, send, voteFor } from './page.mjs';
import { OF_PROVIDER, begin, enterName, signIn, signOut } from './provider.mjs';
import { makePoll, pageOf, resultsOf } from './stack.mjs';

const ACCOUNT_COOKIE = '__Host-landslide-account';
const OF_ACCOUNTS = { identity: 'account', vote_change: 'until_close' };

/** A name that nobody had before, as votes of a name are one voter's. */
const someone = () => `voter-${crypto.randomUUID()}`;

const accountOf = async context => (await context.cookies()).find(({ name }) => name === ACCOUNT_COOKIE);

for (const [how, options] of SCRIPTING) {
  const around = { ...options, allows: OF_PROVIDER };

  pageTest(`an account signs in, votes, changes its vote and signs out ${how}`, around, async ({ page, context }) => {
    const poll = await makePoll(OF_ACCOUNTS);
    await page.goto(pageOf(poll, '?lang=en'));
    await page.getByText('Sign in to vote.').waitFor();
    assert.equal(await page.locator('fieldset').count(), 0, 'no ballot before one is signed in');
    await signIn(page, someone());
    assert.equal(page.url(), pageOf(poll, '?lang=en'));
    await page.getByText('Signed in with Local accounts.').waitFor();
    const { httpOnly, secure, sameSite } = await accountOf(context);
    assert.deepEqual({ httpOnly, secure, sameSite }, { httpOnly: true, secure: true, sameSite: 'Lax' });
    await voteFor(page, 'Tea');
    await page.getByRole('link', { name: 'Change my vote' }).click();
    await voteFor(page, 'Coffee');
    const { options: [tea, coffee] } = await resultsOf(poll, 1);
    assert.deepEqual([tea.votes + coffee.votes], [1]);
    await signOut(page);
    assert.equal((await accountOf(context)).value, 'out');
    assert.equal(await page.getByText('Your vote is recorded.').count(), 0, 'the next one sees no vote');
  });

  pageTest(`another account of the same browser is another voter ${how}`, around, async ({ page }) => {
    const poll = await makePoll(OF_ACCOUNTS);
    const [first, second] = [someone(), someone()];
    await page.goto(pageOf(poll, '?lang=en'));
    await signIn(page, first);
    await voteFor(page, 'Tea');
    await signOut(page);
    // The provider remembers the first one, and asks all the same.
    await signIn(page, second);
    await voteFor(page, 'Coffee');
    await signOut(page);
    await signIn(page, first);
    await isRecorded(page);
    await page.getByText('Your vote: Tea').waitFor();
    await resultsOf(poll, 2);
  });

  pageTest(`a vote whose sign-in has ended is told so and not counted ${how}`, around, async ({ page, context }) => {
    const poll = await makePoll(OF_ACCOUNTS);
    await page.goto(pageOf(poll, '?lang=en'));
    await signIn(page, someone());
    await page.getByLabel('Tea').check();
    await context.clearCookies({ name: ACCOUNT_COOKIE });
    await send(page);
    await page.getByText('You are not signed in any more.').waitFor();
    await page.getByRole('link', { name: 'Open the poll' }).click();
    await page.getByText('Sign in to vote.').waitFor();
    // The provider still knows who it is, and asks nothing.
    await page.locator('a[href*="/sign-in?"]').click();
    await page.locator('button[value=sign-out]').waitFor();
    await voteFor(page, 'Coffee');
    const { options } = await resultsOf(poll, 1);
    assert.deepEqual(options.map(option => option.votes), [0, 1, 0], 'votes for tea, coffee and milk');
  });
}

pageTest('an account stays signed in from poll to poll', { allows: OF_PROVIDER }, async ({ page }) => {
  const [first, second] = [await makePoll(OF_ACCOUNTS), await makePoll(OF_ACCOUNTS)];
  await page.goto(pageOf(first, '?lang=en'));
  await signIn(page, someone());
  await page.goto(pageOf(second, '?lang=en'));
  await voteFor(page, 'Tea');
});

pageTest('who refuses to sign in comes back to a page that says so', { ...NO_SCRIPT, allows: OF_PROVIDER }, async ({ page }) => {
  const poll = await makePoll(OF_ACCOUNTS);
  await page.goto(pageOf(poll, '?lang=en'));
  await begin(page);
  await page.getByRole('link', { name: /cancel/i }).click();
  await page.getByText('You did not sign in.').waitFor();
  await page.getByRole('link', { name: 'Open the poll' }).click();
  await page.getByText('Sign in to vote.').waitFor();
});

pageTest('a sign-in that the browser does not remember signs nobody in', { allows: OF_PROVIDER }, async ({ page, context }) => {
  await page.goto(pageOf(await makePoll(OF_ACCOUNTS), '?lang=en'));
  await begin(page);
  await context.clearCookies({ name: '__Host-landslide-sign-in' });
  await enterName(page, someone());
  await page.getByText('This sign-in took too long').waitFor();
  assert.equal(await accountOf(context), undefined);
});

/** Pages with what signing in adds to them, by how they are reached. */
const STATES = {
  'links to providers': async (page, query) => page.goto(pageOf(await makePoll(OF_ACCOUNTS), query)),
  'a ballot of an account': async (page, query) => {
    await page.goto(pageOf(await makePoll(OF_ACCOUNTS), query));
    await signIn(page, someone());
  },
  'a vote of an account': async (page, query) => {
    await page.goto(pageOf(await makePoll(OF_ACCOUNTS), query));
    await signIn(page, someone());
    await page.getByLabel('Tea').check();
    await send(page);
    await page.locator('button[value=withdraw]').waitFor();
  },
  'a sign-in that has ended': async (page, query) => {
    await page.goto(pageOf(await makePoll(OF_ACCOUNTS), query));
    await signIn(page, someone());
    await page.getByLabel('Tea').check();
    await page.context().clearCookies({ name: ACCOUNT_COOKIE });
    await send(page);
    await page.locator('a.button').waitFor();
  },
};
for (const [state, reach] of Object.entries(STATES)) {
  for (const lang of ['en', 'ar']) {
    pageTest(`axe finds nothing wrong in ${lang} with ${state}, and it fits`, { allows: OF_PROVIDER }, async ({ page }) => {
      await page.setViewportSize({ width: 320, height: 568 });
      await reach(page, `?lang=${lang}`);
      await assertFitsWidth(page, state);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await axeViolations(page), [], colorScheme);
      }
    });
  }
}
