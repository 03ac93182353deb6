const form = one('form'), left = one('[data-left]');

// The time that is left, by the server's clock; then the form is locked.
const tick = () => {
  const seconds = Math.ceil((left.dataset.left - performance.now() + start) / 1e3);
  if (seconds < 1) {
    left.textContent = left.dataset.over;
    all('fieldset, button', form).forEach(part => part.disabled = true);
    return;
  }
  if (seconds < 86400) left.textContent = left.dataset.in.replace('{time}', new Date(seconds * 1e3).toISOString().slice(seconds < 3600 ? 14 : 11, 19));
  setTimeout(tick, 1e3);
};
if (left) tick();

// An option that is written, and one that is listed, exclude each other.
const other = one('[name=other]'), radio = one('[type=radio][value=other]');
if (radio) {
  other.oninput = () => radio.checked = !!other.value;
  all('[name=c]').forEach(choice => choice.onchange = () => { if (choice !== radio) other.value = '' });
}

// Sends the form until there is an answer. What is neither a vote nor a refusal for now is shown as without a script.
const say = text => one('#say').textContent = text;
form.onsubmit = async event => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form));
  one('.main').disabled = true;
  say(form.dataset.sending);
  for (let wait = 1; ; wait = Math.min(wait * 2, 30)) {
    let asked = 0;
    try {
      const answer = await fetch('', { method: 'POST', body, redirect: 'manual', signal: AbortSignal.timeout(35e3) });
      if (answer.type === 'opaqueredirect') return location.replace(form.dataset.then);
      if (answer.status !== 429 && answer.status < 502) {
        // A form that was locked meanwhile is sent as it is filled in, and the answer says why it comes too late.
        all('fieldset', form).forEach(part => part.disabled = false);
        return form.submit();
      }
      asked = +answer.headers.get('retry-after');
    } catch {}
    say(form.dataset.trying);
    await pause(Math.max(asked, wait));
  }
};
