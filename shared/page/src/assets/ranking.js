// Ranking by taps on a row: the next free place, or none. Those behind move up.
const places = all('select[name^=r]');
places.forEach(select => {
  const button = doc.createElement('button');
  button.type = 'button';
  button.className = 'rank second';
  button.onclick = select.onclick = () => {
    const place = +select.value;
    if (place) places.forEach(any => { if (any.value > place) any.value -= 1 });
    select.value = place ? '' : places.filter(any => any.value).length + 1;
    places.forEach(any => any.show());
  };
  select.show = () => {
    button.textContent = select.value ? select.selectedOptions[0].text : '+';
    button.ariaLabel = one('bdi', select.parentNode).textContent + ' ' + button.textContent;
  };
  select.hidden = true;
  select.after(button);
  select.show();
});
