// Every kind of ballot can be filled in, with scripts and without.
import assert from 'node:assert/strict';
import { NO_SCRIPT, SCRIPTING, pageTest } from './browser.mjs';
import { KINDS } from './kinds.mjs';
import { isRecorded, send } from './page.mjs';
import { makePoll, pageOf, resultsOf, voteOf } from './stack.mjs';

for (const [name, kind] of Object.entries(KINDS)) {
  for (const [how, options] of SCRIPTING) {
    pageTest(`a ballot of kind ${name} is cast as it is filled in ${how}`, options, async ({ page, context }) => {
      const poll = await makePoll(kind.poll);
      await page.goto(pageOf(poll));
      await kind.fill(page, options !== NO_SCRIPT);
      await send(page);
      await isRecorded(page);
      await page.getByText(kind.shown).waitFor();
      assert.deepEqual(await voteOf(context, poll), kind.vote);
      assert.equal((await resultsOf(poll, 1)).ballots, 1);
    });
  }

  pageTest(`a ballot of kind ${name} is shown again as it was cast`, {}, async ({ page, context }) => {
    const poll = await makePoll({ ...kind.poll, vote_change: 'until_close' });
    await page.goto(pageOf(poll));
    await kind.fill(page, true);
    await send(page);
    await isRecorded(page);
    await page.getByRole('link', { name: 'Change my vote' }).click();
    await send(page);
    await isRecorded(page);
    assert.deepEqual(await voteOf(context, poll), kind.vote);
  });
}

pageTest('a place that is taken away moves those behind it up', {}, async ({ page, context }) => {
  const poll = await makePoll({ kind: 'ranked' });
  await page.goto(pageOf(poll));
  for (const row of ['Tea +', 'Coffee +', 'Milk +', 'Tea 1']) await page.getByRole('button', { name: row }).click();
  await send(page);
  await isRecorded(page);
  assert.deepEqual(await voteOf(context, poll), { ranking: [1, 2] });
});

pageTest('an option and a write-in exclude each other', {}, async ({ page }) => {
  const poll = await makePoll({ write_in: true });
  await page.goto(pageOf(poll));
  const other = page.getByRole('textbox', { name: 'Your answer' });
  await other.fill('Mate');
  assert(await page.getByRole('radio', { name: 'Something else' }).isChecked());
  await page.getByLabel('Tea').check();
  assert.equal(await other.inputValue(), '');
});
