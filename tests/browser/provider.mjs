// The OpenID Provider of a local stack, which lets everyone in under any name.
import assert from 'node:assert/strict';

assert(process.env.SIGN_IN, 'Bring the stack up with SIGN_IN=1, which starts an OpenID Provider, and set SIGN_IN=1.');

/** What a page of the provider's may report: its style asks for a font from elsewhere. */
export const OF_PROVIDER = /^Failed to load resource/;
const ELSEWHERE = /^https?:\/\/(?!localhost[:/]|127\.0\.0\.1[:/])/;

/** Follows the page's link to the provider. */
export async function begin(page) {
  await page.route(ELSEWHERE, route => route.abort());
  await page.locator('a[href*="/sign-in?"]').first().click();
  await page.locator('[name=login]').waitFor();
}

/** Enters a name at the provider. */
export async function enterName(page, name) {
  await page.locator('[name=login]').fill(name);
  await page.locator('[name=password]').fill('any');
  await page.locator('[type=submit]').click();
  // Where it ends somebody else's session first, it needs a script, or a further click.
  const goOn = page.getByRole('button', { name: 'Continue' });
  if (await goOn.isVisible()) await goOn.click();
}

/** Signs in, and waits for the poll's page. */
export async function signIn(page, name) {
  await begin(page);
  await enterName(page, name);
  await page.locator('button[value=sign-out]').waitFor();
}

/** Signs out, and waits for the link. */
export async function signOut(page) {
  await page.locator('button[value=sign-out]').click();
  await page.locator('a[href*="/sign-in?"]').waitFor();
}
